#include "nn/product.h"

#include <algorithm>
#include <utility>

namespace sottovoce {
namespace {

// The sums of the weight rows of one half: its product with ones.
std::vector<float> WeightSums(const Linear& linear, int half) {
  const size_t cols = static_cast<size_t>(linear.cols());
  std::vector<int8_t> ones(QuantizedStride(linear.cols()), 0);
  std::fill_n(ones.begin(), cols, static_cast<int8_t>(1));
  const float scale = 1.0f;
  const int32_t sum = linear.cols();
  std::vector<float> sums(static_cast<size_t>(linear.rows()));
  linear.ForwardHalf(half, {ones.data(), &scale, &sum, 1, linear.cols(), ones.size()}, sums.data(), sums.size());
  return sums;
}

}  // namespace

Product::Product(Linear linear, std::vector<ActivationQuantizer> input)
    : linear_(std::move(linear)), input_(std::move(input)) {
  if (input_.size() == 2 && input_[0] == input_[1]) input_.pop_back();
  if (!linear_.quantized()) return;
  for (size_t i = 0; i < input_.size(); ++i) {
    if (input_[i].symmetric) continue;
    weight_sums_[i] = WeightSums(linear_, static_cast<int>(i));
    if (input_.size() == 1 && linear_.halves() == 2) {
      const std::vector<float> second = WeightSums(linear_, 1);
      for (size_t o = 0; o < second.size(); ++o) weight_sums_[i][o] += second[o];
    }
  }
}

bool Product::SharesInput(const Product& other) const {
  return linear_.quantized() && other.linear_.quantized() && input_.size() == 1 && other.input_.size() == 1 &&
         input_[0] == other.input_[0] && linear_.cols() == other.linear_.cols();
}

void Product::AddOffset(const QuantizedRows& x, const std::vector<float>& sums, const float* bias, float* y,
                        size_t y_stride) const {
  for (int r = 0; r < x.rows; ++r) {
    float* row = y + static_cast<size_t>(r) * y_stride;
    const float offset = x.offset[r];
    for (size_t o = 0; o < sums.size(); ++o) {
      const float shift = offset * sums[o];
      row[o] += bias != nullptr ? bias[o] + shift : shift;
    }
  }
}

QuantizedRows Product::Quantize(const float* x, int num_rows, size_t x_stride, ActivationBuffer& buffer) const {
  return buffer.Quantize(x, num_rows, linear_.cols(), x_stride, input_[0]);
}

void Product::ForwardQuantized(const QuantizedRows& x, float* y, size_t y_stride) const {
  if (x.offset == nullptr) {
    linear_.ForwardQuantized(x, y, y_stride);
    return;
  }
  linear_.ForwardQuantized(x, nullptr, y, y_stride);
  AddOffset(x, weight_sums_[0], linear_.bias(), y, y_stride);
}

void Product::Forward(const float* x, int num_rows, size_t x_stride, ActivationBuffer& buffer,
                      std::vector<float>& second, float* y, size_t y_stride) const {
  if (!linear_.quantized()) {
    linear_.Forward(x, num_rows, x_stride, {}, buffer, y, y_stride);
    return;
  }
  if (input_.size() == 1) {
    ForwardQuantized(Quantize(x, num_rows, x_stride, buffer), y, y_stride);
    return;
  }
  const size_t outputs = static_cast<size_t>(linear_.rows());
  if (second.size() < static_cast<size_t>(num_rows) * outputs) second.resize(static_cast<size_t>(num_rows) * outputs);
  for (int half = 0; half < 2; ++half) {
    const QuantizedRows input =
        buffer.Quantize(x, num_rows, linear_.cols(), x_stride, input_[static_cast<size_t>(half)]);
    float* out = half == 0 ? y : second.data();
    const size_t out_stride = half == 0 ? y_stride : outputs;
    linear_.ForwardHalf(half, input, out, out_stride);
    const float* bias = half == 0 ? linear_.bias() : nullptr;
    if (input.offset != nullptr) {
      AddOffset(input, weight_sums_[half], bias, out, out_stride);
    } else if (bias != nullptr) {
      for (int r = 0; r < num_rows; ++r) {
        for (size_t o = 0; o < outputs; ++o) out[static_cast<size_t>(r) * out_stride + o] += bias[o];
      }
    }
  }
  for (int r = 0; r < num_rows; ++r) {
    const size_t row = static_cast<size_t>(r);
    for (size_t o = 0; o < outputs; ++o) y[row * y_stride + o] += second[row * outputs + o];
  }
}

}  // namespace sottovoce
