#include "kernels/simd/f32_neon.h"

#define SV_WEIGHTED_SUM_TABLE weighted_sum__neon
#include "kernels/weighted_sum/weighted_sum_body.h"
