// Row-wise float operations around the products, with the kernel picked by ActiveIsa(). Results of a row do not depend on
// the other rows. In and out may be the same pointer unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/matrix.h"

namespace sottovoce {

enum class Granularity { kPerToken, kPerTensor };

// Dynamic symmetric 8-bit quantization: x <- clip(x, +-clip) when clip > 0; m = max|x| over the row (or over all rows);
// q = round_half_even(x * (127 / m)); scale = m / 127; an all-zero row gives q = 0, scale = 0. float32 throughout.
// data: (rows, stride), stride = QuantizedStride(cols), the tail zeroed; scale and sum: (rows).
void QuantizeRows(const float* x, int rows, int cols, size_t x_stride, float clip, Granularity granularity, int8_t* data,
                  float* scale, int32_t* sum);

// y = (x + residual - mean) / sqrt(var + epsilon) * weight + bias over each row; residual may be null.
void LayerNorm(const float* x, const float* residual, const float* weight, const float* bias, float epsilon, int rows,
               int cols, float* y);

// Exact-erf GELU x/2 (1 + erf(x / sqrt 2)), |error| <= 2e-7 max(1, |x|) against float64.
void Gelu(const float* x, size_t n, float* y);
void Relu(const float* x, size_t n, float* y);
void Tanh(const float* x, size_t n, float* y);

// Softmax over each row of (rows, cols), rows `stride` floats apart.
void Softmax(float* x, int rows, int cols, size_t stride);

// Multi-head attention over one sequence, no mask: q, k, v are (tokens, heads * head_size) with `stride` floats between
// tokens; y is (tokens, heads * head_size), y_stride apart. scale multiplies the scores. scratch holds
// AttentionScratch(tokens, head_size) floats.
size_t AttentionScratch(int tokens, int head_size);
void Attention(const float* q, const float* k, const float* v, size_t stride, int tokens, int heads, int head_size,
               float scale, float* y, size_t y_stride, float* scratch);

// Embedding look-up. q2r: a row is ceil(cols / 4) bytes, input c in bits 2 (c % 4) of byte c / 4, codes {0, 1, 2}.
// q8r: a row is cols int8. y[c] += or = value * scale[row].
void EmbedQ2(const uint8_t* rows, const float* scale, int row, int cols, float* y);
void EmbedQ8(const int8_t* rows, const float* scale, int row, int cols, float* y);

float HalfToFloat(uint16_t half);

}  // namespace sottovoce
