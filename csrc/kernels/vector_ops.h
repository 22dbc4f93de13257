// Row-wise float operations around the products, with the kernel picked by ActiveIsa(). Results of a row do not depend
// on the other rows. In and out may be the same pointer unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"
#include "kernels/matrix.h"

namespace sottovoce {

enum class Granularity { kPerToken, kPerTensor };

// Dynamic symmetric 8-bit quantization: x <- clip(x, +-clip) when clip > 0; m = max|x| over the row (or over all rows);
// q = round_half_even(x * (127 / m)) limited to +-127; scale = m / 127; an all-zero row gives q = 0, scale = 0. float32
// throughout, so q, scale and sum are bit-equal on every ISA. A NaN counts as 0. A row with an unclipped infinity gets
// q = 0 and scale = infinity, so products of it are NaN.
// data: (rows, stride), stride = QuantizedStride(cols), the tail zeroed; scale and sum: (rows).
void QuantizeRows(const float* x, int rows, int cols, size_t x_stride, float clip, Granularity granularity,
                  int8_t* data, float* scale, int32_t* sum);

// Any other way to make integers of activations (docs/numerics.md): learned bounds, a learned step, fewer bits, codes
// that count from the smallest value.
struct ActivationQuantizer {
  Granularity granularity = Granularity::kPerToken;
  int top = 127;          // the largest code: 127 of 8 bits, 7 of 4 bits
  bool symmetric = true;  // false: 2 top + 2 levels upwards from the smallest value, stored from -top - 1 on
  float low = 0.0f;       // x is bounded to [low, high] first, unless they are equal
  float high = 0.0f;
  float step = 0.0f;  // > 0: of a code; else the largest magnitude, or the range, is spread over the codes

  // QuantizeRows does the same.
  bool plain() const { return top == 127 && symmetric && step == 0.0f && low == -high; }
  bool operator==(const ActivationQuantizer& other) const;
};

// data, scale, sum: as above; offset: (rows), x ~= code * scale + offset; 0 when symmetric. A row that holds a NaN or
// an infinity takes it as QuantizeRows does.
void QuantizeRowsBy(const ActivationQuantizer& quantizer, const float* x, int rows, int cols, size_t x_stride,
                    int8_t* data, float* scale, int32_t* sum, float* offset);

// y[r][c] = code * scale + offset, product and sum each rounded to float: bit-equal on every ISA.
void DequantizeRows(const QuantizedRows& x, float* y, size_t y_stride);

// QuantizeRows of x <- gelu(x), and of y <- LayerNorm(...): one pass less, bits equal to the two calls.
// LayerNormQuantizeRows reads rows of cols contiguous floats, as LayerNorm does.
void GeluQuantizeRows(float* x, int rows, int cols, size_t x_stride, float clip, Granularity granularity, int8_t* data,
                      float* scale, int32_t* sum);
void LayerNormQuantizeRows(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
                           int rows, int cols, float* y, float clip, Granularity granularity, int8_t* data,
                           float* scale, int32_t* sum);

// y = (x + residual - mean) / sqrt(var + epsilon) * weight + bias over each row; residual may be null. Within
// 1e-5 max(1, |y|) of float64, also where the mean is large beside the deviation.
void LayerNorm(const float* x, const float* residual, const float* weight, const float* bias, float epsilon, int rows,
               int cols, float* y);

// Exact-erf GELU x/2 (1 + erf(x / sqrt 2)), |error| <= 2e-7 max(1, |x|) against float64 for every x; NaN stays NaN, 0
// gives 0.
void Gelu(const float* x, size_t n, float* y);
void Relu(const float* x, size_t n, float* y);
// |error| <= 3e-7 |tanh x|.
void Tanh(const float* x, size_t n, float* y);

// Softmax over each row of (rows, cols), rows `stride` floats apart, relative error 1e-6. The row's maximum is
// subtracted first; -infinity gives 0, a row of nothing else gives zeros; a NaN or +infinity makes its row NaN.
void Softmax(float* x, int rows, int cols, size_t stride);

// Multi-head attention over one sequence, no mask: q, k, v are (tokens, heads * head_size) with `stride` floats between
// tokens; y is (tokens, heads * head_size), y_stride apart, and overlaps none of them. scale multiplies the scores.
// scratch holds AttentionScratch(tokens, head_size, relative.most) floats.
size_t AttentionScratch(int tokens, int head_size, int most_relative = 0);
void Attention(const float* q, const float* k, const float* v, size_t stride, int tokens, int heads, int head_size,
               float scale, RelativePositions relative, float* y, size_t y_stride, float* scratch);

// y[c] += sum_j weights[j] * rows[j][c], j ascending, each product and sum rounded to float: bit-equal on every ISA,
// and however the rows are divided among calls. rows: (count, cols).
void AddWeightedRows(const float* weights, const float* rows, int count, int cols, float* y);

// Embedding look-up. q2r: a row is ceil(cols / 4) bytes, input c in bits 2 (c % 4) of byte c / 4, codes {0, 1, 2}.
// q1r: ceil(cols / 8) bytes, input c in bit c % 8 of byte c / 8, 1 for +1. q8r: a row is cols int8. Adds: y[c] += value
// * scale[row], product and sum each rounded to float, bit-equal on every ISA.
void EmbedQ1(const uint8_t* rows, const float* scale, int row, int cols, float* y);
void EmbedQ2(const uint8_t* rows, const float* scale, int row, int cols, float* y);
void EmbedQ8(const int8_t* rows, const float* scale, int row, int cols, float* y);

// IEEE binary16 to float, exact; NaN payloads kept.
float HalfToFloat(uint16_t half);

}  // namespace sottovoce
