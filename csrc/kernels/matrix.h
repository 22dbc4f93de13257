// The operands of the matrix products: views only, nothing owned.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sottovoce {

// Dynamically quantized activations: x[r][c] ~= data[r * stride + c] * scale[r].
// Bytes from `cols` up to `stride` are zero, and stride is a multiple of 64, so kernels may read whole vectors.
// Products with int8 weights take values in [-127, 127], the others also -128.
struct QuantizedRows {
  const int8_t* data;  // (rows, stride)
  const float* scale;  // (rows)
  const int32_t* sum;  // (rows), sum of the row's values
  int rows;
  int cols;
  size_t stride;  // bytes
  int bits = 8;   // 4: values in [-8, 7]
  // (rows), added to x[r][c] of every column; null: nothing. Products leave it to their caller (nn/product.h).
  const float* offset = nullptr;
};

constexpr size_t QuantizedStride(int cols) {
  return (static_cast<size_t>(cols) + 63) / 64 * 64;
}

// Ternary weights of a product, layout "q2p16x4": panels of 16 outputs; in a panel, blocks of 16 inputs; a block is 64
// bytes, byte (o * 4 + j) holding, for output o, the codes of inputs 4 * f + j in bit field f (bits 2f, 2f + 1), f in
// 0..3. Codes are {0, 1, 2} for weights {-1, 0, +1}. Outputs are padded to 16 and inputs to 16 with code 1.
struct MatrixQ2 {
  const uint8_t* panels;  // (ceil(rows / 16), ceil(cols / 16), 64)
  const float* scale;     // (rows)
  int rows;               // outputs, N
  int cols;               // inputs, K
};

// int8 weights of a product, layout "q8p16x4": panels of 16 outputs; in a panel, blocks of 4 inputs; a block is 64
// bytes, byte (o * 4 + j) the weight of output o, input j, in [-127, 127]. Padding is 0.
struct MatrixQ8 {
  const int8_t* panels;  // (ceil(rows / 16), ceil(cols / 4), 64)
  const float* scale;    // (rows)
  int rows;
  int cols;
};

// Binary weights of a product, layout "q1p16x8": panels of 16 outputs; in a panel, blocks of 32 inputs; a block is 64
// bytes, byte (o * 4 + j) holding, for output o, the weight of input 4 * f + j in bit f: 0 for -1, 1 for +1. Padding is
// 0. With two halves (ternary weight splitting) the product is the sum of both.
struct MatrixQ1 {
  const uint8_t* panels[2];  // each (ceil(rows / 16), ceil(cols / 32), 64)
  const float* scale[2];     // each (rows)
  int halves;                // 1 or 2
  int rows;
  int cols;
};

// float weights, row-major (rows, cols): output o is row o.
struct MatrixF32 {
  const float* data;
  int rows;
  int cols;
};

}  // namespace sottovoce
