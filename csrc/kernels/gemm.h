// Matrix products y = x W^T + bias, with the kernel picked by ActiveIsa(). Every output element depends only on its own
// row of x and row of W, never on how many rows are computed together.
#pragma once

#include "kernels/matrix.h"

namespace sottovoce {

// y[r][o] = float(sum_c a[r][c] * w[o][c]) * (a.scale[r] * w.scale[o]) + bias[o]; integer sums are exact, so all ISAs
// are bit-equal. bias may be null (then nothing is added). y is (a.rows, w.rows) with y_stride floats between rows.
// Sums are int32: with |a|, |w| <= 127 they hold for cols up to 133144 = floor((2^31 - 1) / 127^2). More columns than
// kMaxGemmCols, or a.cols != w.cols, is a caller's error that fills y with NaN.
constexpr int kMaxGemmCols = 131072;
void GemmQd8Q2(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y, size_t y_stride);
// Two halves: y = (product of the first + bias) + product of the second, each with its own scale.
void GemmQd8Q1(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride);
void GemmQd8Q8(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y, size_t y_stride);

// Float product. x is (rows, w.cols) with x_stride floats between rows.
void GemmF32(const float* x, int rows, size_t x_stride, const MatrixF32& w, const float* bias, float* y,
             size_t y_stride);

// Packing: `weights` is row-major (rows, cols). Sizes in bytes.
size_t PackedBytesQ2(int rows, int cols);
void PackQ2(const int8_t* weights, int rows, int cols, uint8_t* panels);  // weights in {-1, 0, 1}
size_t PackedBytesQ1(int rows, int cols);
void PackQ1(const int8_t* weights, int rows, int cols, uint8_t* panels);  // weights in {-1, 1}
size_t PackedBytesQ8(int rows, int cols);
void PackQ8(const int8_t* weights, int rows, int cols, int8_t* panels);

}  // namespace sottovoce
