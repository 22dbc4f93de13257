#include "kernels/simd/f32_avx2.h"

#define SV_EMBEDDING_TABLE embedding__avx2
#include "kernels/embedding/embedding_body.h"
