// Functions of one ISA file of this family. Only C headers here: ISA files include it.
#pragma once

#include <stddef.h>

namespace sottovoce {

struct GemmF32Kernels {
  // y[r][o] = sum_k x[r][k] w[o][k] (+ bias[o]). x: (rows, depth), x_stride; w: (outputs, depth) contiguous; y:
  // y_stride. The order of the sum over k is the same for every r, o, `rows` and `outputs`.
  void (*gemm)(const float* x, int rows, size_t x_stride, const float* w, int outputs, int depth, const float* bias,
               float* y, size_t y_stride);
};

#define SV_GEMM_F32_KERNELS(isa, table) extern const GemmF32Kernels table;
#include "kernels/gemm_f32/kernels.inc"
#undef SV_GEMM_F32_KERNELS

}  // namespace sottovoce
