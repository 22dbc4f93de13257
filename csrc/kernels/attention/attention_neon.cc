#include "kernels/simd/f32_neon.h"

#define SV_ATTENTION_TABLE attention__neon
#include "kernels/attention/attention_body.h"
