#include "kernels/simd/f32_neon.h"

#define SV_ELEMENTWISE_TABLE elementwise__neon
#include "kernels/elementwise/elementwise_body.h"
