#include "nn/linear.h"

#include <algorithm>
#include <utility>

namespace sottovoce {

void ActivationBuffer::Reserve(int rows, int cols) {
  const size_t bytes = static_cast<size_t>(rows) * QuantizedStride(cols);
  if (data_.size() < bytes) data_.resize(bytes);
  if (scale_.size() < static_cast<size_t>(rows)) {
    scale_.resize(static_cast<size_t>(rows));
    sum_.resize(static_cast<size_t>(rows));
  }
}

QuantizedRows ActivationBuffer::Quantize(const float* x, int rows, int cols, size_t x_stride, float clip,
                                         Granularity granularity) {
  Reserve(rows, cols);
  QuantizeRows(x, rows, cols, x_stride, clip, granularity, data_.data(), scale_.data(), sum_.data());
  return Quantized(rows, cols);
}

QuantizedRows ActivationBuffer::Quantize(const float* x, int rows, int cols, size_t x_stride,
                                         const ActivationQuantizer& quantizer) {
  if (quantizer.plain()) return Quantize(x, rows, cols, x_stride, quantizer.high, quantizer.granularity);
  Reserve(rows, cols);
  if (offset_.size() < static_cast<size_t>(rows)) offset_.resize(static_cast<size_t>(rows));
  QuantizeRowsBy(quantizer, x, rows, cols, x_stride, data_.data(), scale_.data(), sum_.data(), offset_.data());
  QuantizedRows quantized = Quantized(rows, cols);
  quantized.bits = quantizer.top <= 7 ? 4 : 8;
  if (!quantizer.symmetric) quantized.offset = offset_.data();
  return quantized;
}

void ActivationBuffer::QuantizeAt(int at, const float* x, int rows, int cols, size_t x_stride) {
  const size_t row = static_cast<size_t>(at);
  QuantizeRows(x, rows, cols, x_stride, 0.0f, Granularity::kPerToken, data_.data() + row * QuantizedStride(cols),
               scale_.data() + row, sum_.data() + row);
}

QuantizedRows ActivationBuffer::Quantized(int rows, int cols) const {
  return {data_.data(), scale_.data(), sum_.data(), rows, cols, QuantizedStride(cols)};
}

Linear Linear::F32(const float* weights, int rows, int cols, const float* bias) {
  Linear linear;
  linear.weights_ = weights;
  linear.bias_ = bias;
  linear.rows_ = rows;
  linear.cols_ = cols;
  return linear;
}

Linear Linear::Q8(const int8_t* panels, std::vector<float> scale, int rows, int cols, const float* bias) {
  Linear linear = F32(nullptr, rows, cols, bias);
  linear.type_ = WeightType::kQ8;
  linear.weights_ = panels;
  linear.scale_ = std::move(scale);
  return linear;
}

Linear Linear::Q2(const uint8_t* panels, std::vector<float> scale, int rows, int cols, const float* bias) {
  Linear linear = F32(nullptr, rows, cols, bias);
  linear.type_ = WeightType::kQ2;
  linear.weights_ = panels;
  linear.scale_ = std::move(scale);
  return linear;
}

Linear Linear::Q1(const uint8_t* panels, std::vector<float> scale, const uint8_t* panels_2, std::vector<float> scale_2,
                  int rows, int cols, const float* bias) {
  Linear linear = Q2(panels, std::move(scale), rows, cols, bias);
  linear.type_ = WeightType::kQ1;
  linear.weights_2_ = panels_2;
  linear.scale_2_ = std::move(scale_2);
  return linear;
}

namespace {

// The first `kept` of every `stored` bytes, `pieces` times.
std::shared_ptr<const std::vector<uint8_t>> CopyFronts(const void* from, size_t pieces, size_t stored, size_t kept) {
  auto copy = std::make_shared<std::vector<uint8_t>>(pieces * kept);
  const uint8_t* source = static_cast<const uint8_t*>(from);
  for (size_t i = 0; i < pieces; ++i) std::copy_n(source + i * stored, kept, copy->data() + i * kept);
  return copy;
}

}  // namespace

Linear Linear::Cut(int rows, int cols) const {
  Linear cut = *this;
  cut.rows_ = rows;
  cut.cols_ = cols;
  if (cols == cols_) return cut;
  // A block of a packed panel holds some inputs for 16 outputs in 64 bytes. The last block kept may hold inputs beyond
  // `cols`: activations are zero there.
  const int block_cols = type_ == WeightType::kQ1 ? 32 : type_ == WeightType::kQ2 ? 16 : 4;
  const bool packed = type_ != WeightType::kF32;
  const auto bytes = [&](int count) {
    return packed ? static_cast<size_t>((count + block_cols - 1) / block_cols) * 64 : static_cast<size_t>(count) * 4;
  };
  const size_t pieces = static_cast<size_t>(packed ? (rows + 15) / 16 : rows);
  cut.owned_ = CopyFronts(weights_, pieces, bytes(cols_), bytes(cols));
  cut.weights_ = cut.owned_->data();
  if (weights_2_ != nullptr) {
    cut.owned_2_ = CopyFronts(weights_2_, pieces, bytes(cols_), bytes(cols));
    cut.weights_2_ = cut.owned_2_->data();
  }
  return cut;
}

void Linear::Forward(const float* x, int num_rows, size_t x_stride, const ActivationQuantization& quantization,
                     ActivationBuffer& buffer, float* y, size_t y_stride) const {
  if (type_ == WeightType::kF32) {
    GemmF32(x, num_rows, x_stride, {static_cast<const float*>(weights_), rows_, cols_}, bias_, y, y_stride);
    return;
  }
  ForwardQuantized(buffer.Quantize(x, num_rows, cols_, x_stride, quantization.clip, quantization.granularity), y,
                   y_stride);
}

void Linear::ForwardQuantized(const QuantizedRows& x, const float* bias, float* y, size_t y_stride) const {
  if (type_ == WeightType::kQ2) {
    GemmQd8Q2(x, {static_cast<const uint8_t*>(weights_), scale_.data(), rows_, cols_}, bias, y, y_stride);
  } else if (type_ == WeightType::kQ1) {
    GemmQd8Q1(x,
              {{static_cast<const uint8_t*>(weights_), static_cast<const uint8_t*>(weights_2_)},
               {scale_.data(), scale_2_.data()},
               halves(),
               rows_,
               cols_},
              bias, y, y_stride);
  } else {
    GemmQd8Q8(x, {static_cast<const int8_t*>(weights_), scale_.data(), rows_, cols_}, bias, y, y_stride);
  }
}

void Linear::ForwardHalf(int half, const QuantizedRows& x, float* y, size_t y_stride) const {
  if (halves() == 1) {
    ForwardQuantized(x, nullptr, y, y_stride);
    return;
  }
  const void* panels = half == 0 ? weights_ : weights_2_;
  const float* scale = half == 0 ? scale_.data() : scale_2_.data();
  GemmQd8Q1(x, {{static_cast<const uint8_t*>(panels), nullptr}, {scale, nullptr}, 1, rows_, cols_}, nullptr, y,
            y_stride);
}

}  // namespace sottovoce
