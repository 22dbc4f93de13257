#include "kernels/simd/f32_scalar.h"

#define SV_WEIGHTED_SUM_TABLE weighted_sum__scalar
#include "kernels/weighted_sum/weighted_sum_body.h"
