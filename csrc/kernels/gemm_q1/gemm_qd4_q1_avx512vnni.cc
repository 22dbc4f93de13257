// Look-ups by a byte shuffle, which reads one table a lane.
#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

// The indices of a block: its low halves, then its high halves, a lane of 16 outputs for each table.
SV_INLINE void Indices(const uint8_t* block, __m512i indices[2]) {
  const __m512i within = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i across = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i low = _mm512_set1_epi8(15);
  const __m512i bytes = _mm512_permutexvar_epi32(across, _mm512_shuffle_epi8(_mm512_loadu_si512(block), within));
  indices[0] = _mm512_and_si512(bytes, low);
  indices[1] = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low);
}

SV_INLINE __m512i LookUp(const int8_t* table, __m512i indices) {
  return _mm512_shuffle_epi8(_mm512_loadu_si512(table), indices);
}

// Each lane has a share of every output. Words wrap, but the bytes they consist of do not: two sums of 16 bits.
struct Accumulator {
  __m512i all = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
};

// In place: left to itself gcc 12 renames the accumulators and spills them.
SV_INLINE void Add(__m512i bytes, Accumulator& acc) {
  asm("vpaddw %1, %0, %0" : "+v"(acc.all) : "v"(bytes));
  asm("vpaddw %1, %0, %0" : "+v"(acc.odd) : "v"(_mm512_srli_epi16(bytes, 8)));
}

SV_INLINE __m512i Total(const Accumulator& acc) {
  const __m512i even = _mm512_sub_epi16(acc.all, _mm512_slli_epi16(acc.odd, 8));
  const __m256i evens = _mm256_add_epi16(_mm512_castsi512_si256(even), _mm512_extracti64x4_epi64(even, 1));
  const __m256i odds = _mm256_add_epi16(_mm512_castsi512_si256(acc.odd), _mm512_extracti64x4_epi64(acc.odd, 1));
  const __m128i e = _mm_add_epi16(_mm256_castsi256_si128(evens), _mm256_extracti128_si256(evens, 1));
  const __m128i o = _mm_add_epi16(_mm256_castsi256_si128(odds), _mm256_extracti128_si256(odds, 1));
  return _mm512_cvtepu16_epi32(_mm256_set_m128i(_mm_unpackhi_epi16(e, o), _mm_unpacklo_epi16(e, o)));
}

}  // namespace
}  // namespace sottovoce

#include "kernels/gemm_q1/gemm_lookup_body.h"

namespace sottovoce {

void gemm_qd4_q1_8x16__avx512vnni(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y,
                                  size_t y_stride) {
  WithRowCount<kMaxRows>(a.rows, [&](auto rows) { Tile<decltype(rows)::value>(a, w, bias, y, y_stride); });
}

}  // namespace sottovoce
