#include "kernels/simd/f32_avx512vnni.h"

#define SV_EMBEDDING_TABLE embedding__avx512vnni
#include "kernels/embedding/embedding_body.h"
