#include "kernels/simd/f32_avx512vnni.h"

#define SV_ELEMENTWISE_TABLE elementwise__avx512vnni
#include "kernels/elementwise/elementwise_body.h"
