// Entry points of this family's kernels, one for each row of kernels.inc. Only C headers here: ISA files include it.
#pragma once

#include "kernels/matrix.h"

namespace sottovoce {

#define SV_GEMM_KERNEL(isa, max_rows, max_cols, bits, needs, function) \
  void function(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride);
#include "kernels/gemm_q1/kernels.inc"
#undef SV_GEMM_KERNEL

}  // namespace sottovoce
