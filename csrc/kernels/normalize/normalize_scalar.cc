#include "kernels/simd/f32_scalar.h"

#define SV_NORMALIZE_TABLE normalize__scalar
#include "kernels/normalize/normalize_body.h"
