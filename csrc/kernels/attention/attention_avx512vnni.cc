#include "kernels/simd/f32_avx512vnni.h"

#define SV_ATTENTION_TABLE attention__avx512vnni
#include "kernels/attention/attention_body.h"
