// Functions of one ISA file of this family. Only C headers here: ISA files include it.
#pragma once

#include <stddef.h>

namespace sottovoce {

struct NormalizeKernels {
  // Rows of cols contiguous floats; largest[r] = max |y[r][c]|, NaN when there is one. residual may be null.
  void (*layer_norm)(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
                     int rows, int cols, float* y, float* largest);
  void (*softmax)(float* x, int cols);  // one row in place
};

#define SV_NORMALIZE_KERNELS(isa, table) extern const NormalizeKernels table;
#include "kernels/normalize/kernels.inc"
#undef SV_NORMALIZE_KERNELS

}  // namespace sottovoce
