#include "kernels/simd/f32_scalar.h"

#define SV_ATTENTION_TABLE attention__scalar
#include "kernels/attention/attention_body.h"
