#include "kernels/simd/f32_neon.h"

#define SV_NORMALIZE_TABLE normalize__neon
#include "kernels/normalize/normalize_body.h"
