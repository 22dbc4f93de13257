// Sixteen lanes of AVX-512 (F, BW, VL, DQ, VNNI); names and contract in f32_scalar.h.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
// gcc's own intrinsics start from undefined registers on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace sottovoce {
namespace {

typedef __m512 VecF;
typedef __m512i VecI;
constexpr int kLanes = 16;
constexpr int kRegisters = 32;
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23

inline VecF Set(float x) {
  return _mm512_set1_ps(x);
}
inline VecF Zero() {
  return _mm512_setzero_ps();
}
inline VecF Load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void Store(float* p, VecF x) {
  _mm512_storeu_ps(p, x);
}
inline __mmask16 FirstLanes(int n) {
  return static_cast<__mmask16>(n >= 16 ? 0xFFFFu : (1u << n) - 1u);
}
inline VecF LoadPartial(const float* p, int n) {
  return _mm512_maskz_loadu_ps(FirstLanes(n), p);
}
inline void StorePartial(float* p, VecF x, int n) {
  _mm512_mask_storeu_ps(p, FirstLanes(n), x);
}

inline VecF Add(VecF a, VecF b) {
  return _mm512_add_ps(a, b);
}
inline VecF Sub(VecF a, VecF b) {
  return _mm512_sub_ps(a, b);
}
inline VecF Mul(VecF a, VecF b) {
  return _mm512_mul_ps(a, b);
}
inline VecF Div(VecF a, VecF b) {
  return _mm512_div_ps(a, b);
}
inline VecF MulAdd(VecF a, VecF b, VecF c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline VecF NegMulAdd(VecF a, VecF b, VecF c) {
  return _mm512_fnmadd_ps(a, b, c);
}
inline VecF Abs(VecF x) {
  return _mm512_abs_ps(x);
}
// These instructions return their second operand when either is NaN.
inline VecF Max(VecF limit, VecF x) {
  return _mm512_max_ps(limit, x);
}
inline VecF Min(VecF limit, VecF x) {
  return _mm512_min_ps(limit, x);
}
inline VecF ZeroIfLess(VecF x, float limit, VecF value) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_NLT_UQ), value);
}
inline VecF SelectLess(VecF x, float limit, VecF less, VecF other) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_LT_OQ), other, less);
}
inline VecF ZeroBeyond(VecF x, int n) {
  return _mm512_maskz_mov_ps(FirstLanes(n), x);
}
inline VecF CopySign(VecF magnitude, VecF sign) {
  const VecF bit = _mm512_set1_ps(-0.0f);
  return _mm512_or_ps(_mm512_andnot_ps(bit, magnitude), _mm512_and_ps(bit, sign));
}
inline VecF ScaleByPower(VecF x, VecF t) {
  return _mm512_scalef_ps(x, _mm512_sub_ps(t, _mm512_set1_ps(kRounder)));
}
inline __m256 FoldAdd8(VecF x) {
  return _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
}
inline __m128 FoldAdd(VecF x) {
  const __m256 half = FoldAdd8(x);
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
inline float ReduceAdd(VecF x) {
  __m128 s = FoldAdd(x);
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
inline float ReduceMax(VecF x) {
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}
inline void ReduceAdd4(VecF a, VecF b, VecF c, VecF d, float* sums) {
  const VecF ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const VecF cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const VecF low = _mm512_shuffle_ps(ab, cd, _MM_SHUFFLE(1, 0, 1, 0));
  const VecF high = _mm512_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 2, 3, 2));
  _mm_storeu_ps(sums, FoldAdd(_mm512_add_ps(low, high)));
}

inline VecI ZeroInt() {
  return _mm512_setzero_si512();
}
inline VecI AddInt(VecI a, VecI b) {
  return _mm512_add_epi32(a, b);
}
inline VecI ToInt(VecF x) {
  return _mm512_cvtps_epi32(x);
}
inline int32_t ReduceAddInt(VecI x) {
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}
inline VecI MagnitudeBits(VecF x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
}
inline VecI MaxInt(VecI a, VecI b) {
  return _mm512_max_epi32(a, b);
}
inline int32_t ReduceMaxInt(VecI x) {
  const __m256i half = _mm256_max_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  __m128i s = _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  s = _mm_max_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_max_epi32(s, _mm_shuffle_epi32(s, 1)));
}
inline VecI StoreInt8x4(int8_t* p, VecI a, VecI b, VecI c, VecI d, VecI sum) {
  const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, bytes));
  return _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), bytes);
}
inline void StoreInt8(int8_t* p, VecI x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(x));
}
inline VecF LoadInt8(const int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
// kLanes ternary codes {0, 1, 2} from kLanes / 4 bytes, as -1, 0, 1.
inline VecF LoadTernary(const uint8_t* p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  const __m512i shifts = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i codes = _mm512_and_si512(_mm512_srlv_epi32(_mm512_set1_epi32(word), shifts), _mm512_set1_epi32(3));
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(codes, _mm512_set1_epi32(1)));
}
// kLanes binary weights -1, 1 from the bits of columns c, c + 1, ... of a row; c is a multiple of kLanes.
inline VecF LoadBinary(const uint8_t* row, int c) {
  uint16_t bits;
  memcpy(&bits, row + c / 8, sizeof bits);
  return _mm512_mask_blend_ps(bits, _mm512_set1_ps(-1.0f), _mm512_set1_ps(1.0f));
}

inline void TransposeBlock(const float* src, size_t stride, int rows, int cols, float* dst) {
  __m512 r[16], t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = i < rows ? LoadPartial(src + static_cast<size_t>(i) * stride, cols) : Zero();
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_shuffle_ps(t[i], t[i + 2], _MM_SHUFFLE(1, 0, 1, 0));
    r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], _MM_SHUFFLE(3, 2, 3, 2));
    r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], _MM_SHUFFLE(1, 0, 1, 0));
    r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], _MM_SHUFFLE(3, 2, 3, 2));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x44);      // columns i, i + 4 of rows 0..7
    t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xEE);  // columns i + 8, i + 12
    t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x44);
    t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xEE);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    if (i < cols) Store(dst + 16 * i, _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88));
    if (i + 4 < cols) Store(dst + 16 * (i + 4), _mm512_shuffle_f32x4(t[i], t[i + 8], 0xDD));
    if (i + 8 < cols) Store(dst + 16 * (i + 8), _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88));
    if (i + 12 < cols) Store(dst + 16 * (i + 12), _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xDD));
  }
}

}  // namespace
}  // namespace sottovoce
