// Look-ups by a byte permutation over four tables at once (AVX-512 VBMI), summed by the dot product with ones.
#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

// The indices of a block: its low halves, then its high halves; byte (o, j) reads table j.
SV_INLINE void Indices(const uint8_t* block, __m512i indices[2]) {
  const __m512i bytes = _mm512_loadu_si512(block);
  const __m512i low = _mm512_set1_epi8(15), table = _mm512_set1_epi32(0x30201000);
  indices[0] = _mm512_or_si512(_mm512_and_si512(bytes, low), table);
  indices[1] = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(bytes, 4), low), table);
}

SV_INLINE __m512i LookUp(const int8_t* table, __m512i indices) {
  return _mm512_permutexvar_epi8(indices, _mm512_loadu_si512(table));
}

struct Accumulator {
  __m512i sum = _mm512_setzero_si512();
};

SV_INLINE void Add(__m512i bytes, Accumulator& acc) {
  acc.sum = Dot(acc.sum, bytes, _mm512_set1_epi8(1));
}

SV_INLINE __m512i Total(const Accumulator& acc) {
  return acc.sum;
}

}  // namespace
}  // namespace sottovoce

#include "kernels/gemm_q1/gemm_lookup_body.h"

namespace sottovoce {

void gemm_qd4_q1_8x16__avx512vbmi(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y,
                                  size_t y_stride) {
  WithRowCount<kMaxRows>(a.rows, [&](auto rows) { Tile<decltype(rows)::value>(a, w, bias, y, y_stride); });
}

}  // namespace sottovoce
