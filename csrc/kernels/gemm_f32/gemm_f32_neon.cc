#include "kernels/simd/f32_neon.h"

#define SV_GEMM_F32_TABLE gemm_f32__neon
#include "kernels/gemm_f32/gemm_f32_body.h"
