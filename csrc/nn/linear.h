// A product y = x W^T + bias in whichever weight type the artifact holds.
#pragma once

#include <memory>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/vector_ops.h"

namespace sottovoce {

// Owns the quantized copy of activations; grows to the largest input seen, then allocates no more.
class ActivationBuffer {
 public:
  // x: (rows, cols), x_stride floats between rows. The view is valid until the next call.
  QuantizedRows Quantize(const float* x, int rows, int cols, size_t x_stride, float clip, Granularity granularity);
  // By any quantizer, with an offset a row when it is not symmetric.
  QuantizedRows Quantize(const float* x, int rows, int cols, size_t x_stride, const ActivationQuantizer& quantizer);
  // The same into rows `at` onwards, for a product whose rows come from several places: Reserve() first, QuantizeAt()
  // each place with the same cols, then Quantized() for the view of all.
  void QuantizeAt(int at, const float* x, int rows, int cols, size_t x_stride);
  QuantizedRows Quantized(int rows, int cols) const;
  void Reserve(int rows, int cols);

 private:
  std::vector<int8_t> data_;
  std::vector<float> scale_, offset_;
  std::vector<int32_t> sum_;
};

// How the inputs of packed products are quantized; f32 products ignore it.
struct ActivationQuantization {
  float clip = 0.0f;  // 0 = none
  Granularity granularity = Granularity::kPerToken;
};

class Linear {
 public:
  enum class WeightType { kF32, kQ8, kQ2, kQ1 };

  Linear() = default;
  // The panels or rows are views into the artifact; bias may be null. scale: (rows), of packed types.
  static Linear F32(const float* weights, int rows, int cols, const float* bias);
  static Linear Q8(const int8_t* panels, std::vector<float> scale, int rows, int cols, const float* bias);
  static Linear Q2(const uint8_t* panels, std::vector<float> scale, int rows, int cols, const float* bias);
  // Binary; panels_2 is null, or the second half of a split weight with its scale_2.
  static Linear Q1(const uint8_t* panels, std::vector<float> scale, const uint8_t* panels_2, std::vector<float> scale_2,
                   int rows, int cols, const float* bias);

  // The product of the first `rows` outputs and `cols` inputs alone, with the same scales (DynaBERT). Weights stay
  // views unless columns are cut: then the used part is copied.
  Linear Cut(int rows, int cols) const;

  WeightType weight_type() const { return type_; }
  bool quantized() const { return type_ != WeightType::kF32; }
  int halves() const { return weights_2_ != nullptr ? 2 : 1; }
  const float* bias() const { return bias_; }  // (rows), or null
  int rows() const { return rows_; }
  int cols() const { return cols_; }

  // x: (num_rows, cols()); y: (num_rows, rows()).
  void Forward(const float* x, int num_rows, size_t x_stride, const ActivationQuantization& quantization,
               ActivationBuffer& buffer, float* y, size_t y_stride) const;

  // The same on an input that is quantized already, so that several products can share it. Packed types only.
  void ForwardQuantized(const QuantizedRows& x, float* y, size_t y_stride) const {
    ForwardQuantized(x, bias_, y, y_stride);
  }
  // With another bias: (rows), or null for none.
  void ForwardQuantized(const QuantizedRows& x, const float* bias, float* y, size_t y_stride) const;

  // The product of one half of the weights, without bias. Packed types only.
  void ForwardHalf(int half, const QuantizedRows& x, float* y, size_t y_stride) const;

 private:
  WeightType type_ = WeightType::kF32;
  const void* weights_ = nullptr;
  const void* weights_2_ = nullptr;
  std::vector<float> scale_, scale_2_;
  const float* bias_ = nullptr;
  int rows_ = 0;
  int cols_ = 0;
  std::shared_ptr<const std::vector<uint8_t>> owned_, owned_2_;  // weights of a product whose columns were cut
};

}  // namespace sottovoce
