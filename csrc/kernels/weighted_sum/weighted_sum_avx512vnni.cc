#include "kernels/simd/f32_avx512vnni.h"

#define SV_WEIGHTED_SUM_TABLE weighted_sum__avx512vnni
#include "kernels/weighted_sum/weighted_sum_body.h"
