// Rows of int8 from rows of float, built from one ISA's functions. vector_ops.h has the calls that pick the ISA.
#pragma once

#include "kernels/elementwise/elementwise.h"
#include "kernels/normalize/normalize.h"
#include "kernels/vector_ops.h"

namespace sottovoce {

// As the functions of the same name in vector_ops.h, with the kernels given.
void QuantizeRowsWith(const ElementwiseKernels& kernels, const float* x, int rows, int cols, size_t x_stride,
                      float clip, Granularity granularity, int8_t* data, float* scale, int32_t* sum);
void QuantizeRowsByWith(const ElementwiseKernels& kernels, const ActivationQuantizer& quantizer, const float* x,
                        int rows, int cols, size_t x_stride, int8_t* data, float* scale, int32_t* sum, float* offset);
void GeluQuantizeRowsWith(const ElementwiseKernels& kernels, float* x, int rows, int cols, size_t x_stride, float clip,
                          Granularity granularity, int8_t* data, float* scale, int32_t* sum);
void LayerNormQuantizeRowsWith(const ElementwiseKernels& kernels, const NormalizeKernels& normalize, const float* x,
                               const float* residual, const float* weight, const float* bias, float epsilon, int rows,
                               int cols, float* y, float clip, Granularity granularity, int8_t* data, float* scale,
                               int32_t* sum);

}  // namespace sottovoce
