#include "kernels/simd/f32_avx2.h"

#define SV_ATTENTION_TABLE attention__avx2
#include "kernels/attention/attention_body.h"
