// Eight lanes of AVX2 with FMA; names and contract in f32_scalar.h.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace sottovoce {
namespace {

typedef __m256 VecF;
typedef __m256i VecI;
constexpr int kLanes = 8;
constexpr int kRegisters = 16;
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23

inline VecF Set(float x) {
  return _mm256_set1_ps(x);
}
inline VecF Zero() {
  return _mm256_setzero_ps();
}
inline VecF Load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void Store(float* p, VecF x) {
  _mm256_storeu_ps(p, x);
}
inline __m256i FirstLanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline VecF LoadPartial(const float* p, int n) {
  return _mm256_maskload_ps(p, FirstLanes(n));
}
inline void StorePartial(float* p, VecF x, int n) {
  _mm256_maskstore_ps(p, FirstLanes(n), x);
}

inline VecF Add(VecF a, VecF b) {
  return _mm256_add_ps(a, b);
}
inline VecF Sub(VecF a, VecF b) {
  return _mm256_sub_ps(a, b);
}
inline VecF Mul(VecF a, VecF b) {
  return _mm256_mul_ps(a, b);
}
inline VecF Div(VecF a, VecF b) {
  return _mm256_div_ps(a, b);
}
inline VecF MulAdd(VecF a, VecF b, VecF c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline VecF NegMulAdd(VecF a, VecF b, VecF c) {
  return _mm256_fnmadd_ps(a, b, c);
}
inline VecF Abs(VecF x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
// These instructions return their second operand when either is NaN.
inline VecF Max(VecF limit, VecF x) {
  return _mm256_max_ps(limit, x);
}
inline VecF Min(VecF limit, VecF x) {
  return _mm256_min_ps(limit, x);
}
inline VecF ZeroIfLess(VecF x, float limit, VecF value) {
  return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(limit), _CMP_LT_OQ), value);
}
inline VecF SelectLess(VecF x, float limit, VecF less, VecF other) {
  return _mm256_blendv_ps(other, less, _mm256_cmp_ps(x, _mm256_set1_ps(limit), _CMP_LT_OQ));
}
inline VecF ZeroBeyond(VecF x, int n) {
  return _mm256_and_ps(x, _mm256_castsi256_ps(FirstLanes(n)));
}
inline VecF CopySign(VecF magnitude, VecF sign) {
  const VecF bit = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
}
inline VecF ScaleByPower(VecF x, VecF t) {
  const __m256i power = _mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(t), 23), _mm256_set1_epi32(0x3F800000));
  return _mm256_mul_ps(x, _mm256_castsi256_ps(power));
}
inline __m128 FoldAdd(VecF x) {
  return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
}
inline float ReduceAdd(VecF x) {
  __m128 s = FoldAdd(x);
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
inline float ReduceMax(VecF x) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}
inline void ReduceAdd4(VecF a, VecF b, VecF c, VecF d, float* sums) {
  const VecF ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  const VecF cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
  const VecF low = _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(1, 0, 1, 0));
  const VecF high = _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 2, 3, 2));
  _mm_storeu_ps(sums, FoldAdd(_mm256_add_ps(low, high)));
}

inline VecI ZeroInt() {
  return _mm256_setzero_si256();
}
inline VecI AddInt(VecI a, VecI b) {
  return _mm256_add_epi32(a, b);
}
inline VecI ToInt(VecF x) {
  return _mm256_cvtps_epi32(x);
}
inline int32_t ReduceAddInt(VecI x) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}
inline VecI MagnitudeBits(VecF x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7FFFFFFF));
}
inline VecI MaxInt(VecI a, VecI b) {
  return _mm256_max_epi32(a, b);
}
inline int32_t ReduceMaxInt(VecI x) {
  __m128i s = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  s = _mm_max_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_max_epi32(s, _mm_shuffle_epi32(s, 1)));
}
inline VecI StoreInt8x4(int8_t* p, VecI a, VecI b, VecI c, VecI d, VecI sum) {
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline void StoreInt8(int8_t* p, VecI x) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
inline VecF LoadInt8(const int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
// kLanes ternary codes {0, 1, 2} from kLanes / 4 bytes, as -1, 0, 1.
inline VecF LoadTernary(const uint8_t* p) {
  const __m256i shifts = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
  const __m256i codes = _mm256_srlv_epi32(_mm256_set1_epi32(p[0] | p[1] << 8), shifts);
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_and_si256(codes, _mm256_set1_epi32(3)), _mm256_set1_epi32(1)));
}
// kLanes binary weights -1, 1 from the bits of columns c, c + 1, ... of a row; c is a multiple of kLanes.
inline VecF LoadBinary(const uint8_t* row, int c) {
  const __m256i shifts = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
  const __m256i signs = _mm256_sllv_epi32(_mm256_set1_epi32(row[c / 8]), shifts);
  return _mm256_blendv_ps(_mm256_set1_ps(-1.0f), _mm256_set1_ps(1.0f), _mm256_castsi256_ps(signs));
}

inline void TransposeBlock(const float* src, size_t stride, int rows, int cols, float* dst) {
  __m256 r[8], t[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = i < rows ? LoadPartial(src + static_cast<size_t>(i) * stride, cols) : Zero();
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], _MM_SHUFFLE(1, 0, 1, 0));
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], _MM_SHUFFLE(3, 2, 3, 2));
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], _MM_SHUFFLE(1, 0, 1, 0));
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], _MM_SHUFFLE(3, 2, 3, 2));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    if (i < cols) Store(dst + 8 * i, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    if (i + 4 < cols) Store(dst + 8 * (i + 4), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

}  // namespace
}  // namespace sottovoce
