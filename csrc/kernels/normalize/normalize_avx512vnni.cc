#include "kernels/simd/f32_avx512vnni.h"

#define SV_NORMALIZE_TABLE normalize__avx512vnni
#include "kernels/normalize/normalize_body.h"
