#include "kernels/simd/f32_avx2.h"

#define SV_WEIGHTED_SUM_TABLE weighted_sum__avx2
#include "kernels/weighted_sum/weighted_sum_body.h"
