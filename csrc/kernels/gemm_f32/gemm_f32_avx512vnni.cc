#include "kernels/simd/f32_avx512vnni.h"

#define SV_GEMM_F32_TABLE gemm_f32__avx512vnni
#include "kernels/gemm_f32/gemm_f32_body.h"
