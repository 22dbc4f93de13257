#include "kernels/simd/f32_neon.h"

#define SV_EMBEDDING_TABLE embedding__neon
#include "kernels/embedding/embedding_body.h"
