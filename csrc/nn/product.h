// A linear product together with how its input becomes integers: both halves of a split weight alike, or each in its
// own way (BinaryBERT's learned clips and steps).
#pragma once

#include <vector>

#include "nn/linear.h"

namespace sottovoce {

class Product {
 public:
  Product() = default;
  // input: one quantizer, or one for each half of the weights; a float product ignores it.
  Product(Linear linear, std::vector<ActivationQuantizer> input);

  const Linear& linear() const { return linear_; }
  // The product of the first outputs and inputs alone, as Linear::Cut.
  Product Cut(int rows, int cols) const { return Product(linear_.Cut(rows, cols), input_); }

  // True when both would quantize one input to the same integers.
  bool SharesInput(const Product& other) const;

  // x: (num_rows, cols), x_stride floats between rows; y: (num_rows, rows). `second` is scratch that grows to the
  // largest product whose halves take different integers.
  void Forward(const float* x, int num_rows, size_t x_stride, ActivationBuffer& buffer, std::vector<float>& second,
               float* y, size_t y_stride) const;

  // x as integers, for all products that share the input; quantized products with one quantizer only.
  QuantizedRows Quantize(const float* x, int num_rows, size_t x_stride, ActivationBuffer& buffer) const;
  void ForwardQuantized(const QuantizedRows& x, float* y, size_t y_stride) const;

 private:
  void AddOffset(const QuantizedRows& x, const std::vector<float>& sums, const float* bias, float* y,
                 size_t y_stride) const;

  Linear linear_;
  std::vector<ActivationQuantizer> input_;
  // What an offset of 1 adds to each output: the sums of the weights of a row, by quantizer; empty when all are
  // symmetric.
  std::vector<float> weight_sums_[2];
};

}  // namespace sottovoce
