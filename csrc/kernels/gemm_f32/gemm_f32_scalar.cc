#include "kernels/simd/f32_scalar.h"

#define SV_GEMM_F32_TABLE gemm_f32__scalar
#include "kernels/gemm_f32/gemm_f32_body.h"
