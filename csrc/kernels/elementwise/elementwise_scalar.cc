#include "kernels/simd/f32_scalar.h"

#define SV_ELEMENTWISE_TABLE elementwise__scalar
#include "kernels/elementwise/elementwise_body.h"
