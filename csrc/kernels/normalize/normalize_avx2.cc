#include "kernels/simd/f32_avx2.h"

#define SV_NORMALIZE_TABLE normalize__avx2
#include "kernels/normalize/normalize_body.h"
