#include "kernels/simd/f32_avx2.h"

#define SV_ELEMENTWISE_TABLE elementwise__avx2
#include "kernels/elementwise/elementwise_body.h"
