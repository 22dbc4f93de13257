// Four lanes of arm64 NEON; names and contract in f32_scalar.h.
#pragma once

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

namespace sottovoce {
namespace {

typedef float32x4_t VecF;
typedef int32x4_t VecI;
constexpr int kLanes = 4;
constexpr int kRegisters = 32;
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23

inline VecF Set(float x) {
  return vdupq_n_f32(x);
}
inline VecF Zero() {
  return vdupq_n_f32(0.0f);
}
inline VecF Load(const float* p) {
  return vld1q_f32(p);
}
inline void Store(float* p, VecF x) {
  vst1q_f32(p, x);
}
inline VecF LoadPartial(const float* p, int n) {
  if (n >= 4) return vld1q_f32(p);
  VecF x = Zero();
  if (n > 0) x = vld1q_lane_f32(p, x, 0);
  if (n > 1) x = vld1q_lane_f32(p + 1, x, 1);
  if (n > 2) x = vld1q_lane_f32(p + 2, x, 2);
  return x;
}
inline void StorePartial(float* p, VecF x, int n) {
  if (n >= 4) {
    vst1q_f32(p, x);
    return;
  }
  if (n > 0) vst1q_lane_f32(p, x, 0);
  if (n > 1) vst1q_lane_f32(p + 1, x, 1);
  if (n > 2) vst1q_lane_f32(p + 2, x, 2);
}

inline VecF Add(VecF a, VecF b) {
  return vaddq_f32(a, b);
}
inline VecF Sub(VecF a, VecF b) {
  return vsubq_f32(a, b);
}
inline VecF Mul(VecF a, VecF b) {
  return vmulq_f32(a, b);
}
inline VecF Div(VecF a, VecF b) {
  return vdivq_f32(a, b);
}
inline VecF MulAdd(VecF a, VecF b, VecF c) {
  return vfmaq_f32(c, a, b);
}
inline VecF NegMulAdd(VecF a, VecF b, VecF c) {
  return vfmsq_f32(c, a, b);
}
inline VecF Abs(VecF x) {
  return vabsq_f32(x);
}
inline VecF Max(VecF limit, VecF x) {
  return vmaxq_f32(limit, x);
}
inline VecF Min(VecF limit, VecF x) {
  return vminq_f32(limit, x);
}
inline VecF ZeroIfLess(VecF x, float limit, VecF value) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(value), vcltq_f32(x, vdupq_n_f32(limit))));
}
inline VecF SelectLess(VecF x, float limit, VecF less, VecF other) {
  return vbslq_f32(vcltq_f32(x, vdupq_n_f32(limit)), less, other);
}
inline VecF ZeroBeyond(VecF x, int n) {
  const int32x4_t lanes = {0, 1, 2, 3};
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vcltq_s32(lanes, vdupq_n_s32(n))));
}
inline VecF CopySign(VecF magnitude, VecF sign) {
  return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}
inline VecF ScaleByPower(VecF x, VecF t) {
  const int32x4_t power = vaddq_s32(vshlq_n_s32(vreinterpretq_s32_f32(t), 23), vdupq_n_s32(0x3F800000));
  return vmulq_f32(x, vreinterpretq_f32_s32(power));
}
inline float ReduceAdd(VecF x) {
  return vaddvq_f32(x);
}
inline float ReduceMax(VecF x) {
  return vmaxvq_f32(x);
}
inline void ReduceAdd4(VecF a, VecF b, VecF c, VecF d, float* sums) {
  vst1q_f32(sums, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

inline VecI ZeroInt() {
  return vdupq_n_s32(0);
}
inline VecI AddInt(VecI a, VecI b) {
  return vaddq_s32(a, b);
}
inline VecI ToInt(VecF x) {
  return vcvtnq_s32_f32(x);
}
inline int32_t ReduceAddInt(VecI x) {
  return vaddvq_s32(x);
}
inline VecI MagnitudeBits(VecF x) {
  return vandq_s32(vreinterpretq_s32_f32(x), vdupq_n_s32(0x7FFFFFFF));
}
inline VecI MaxInt(VecI a, VecI b) {
  return vmaxq_s32(a, b);
}
inline int32_t ReduceMaxInt(VecI x) {
  return vmaxvq_s32(x);
}
inline VecI StoreInt8x4(int8_t* p, VecI a, VecI b, VecI c, VecI d, VecI sum) {
  const int16x8_t ab = vcombine_s16(vmovn_s32(a), vmovn_s32(b)), cd = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
  const int8x16_t bytes = vcombine_s8(vmovn_s16(ab), vmovn_s16(cd));
  vst1q_s8(p, bytes);
  return vpadalq_s16(sum, vpaddlq_s8(bytes));
}
inline void StoreInt8(int8_t* p, VecI x) {
  const int16x4_t words = vqmovn_s32(x);
  const int8x8_t bytes = vqmovn_s16(vcombine_s16(words, words));
  const uint32_t four = vget_lane_u32(vreinterpret_u32_s8(bytes), 0);
  __builtin_memcpy(p, &four, sizeof four);
}
inline VecF LoadInt8(const int8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  const int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(four));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
}
// kLanes ternary codes {0, 1, 2} from kLanes / 4 bytes, as -1, 0, 1.
inline VecF LoadTernary(const uint8_t* p) {
  const int32x4_t shifts = {0, -2, -4, -6};
  const uint32x4_t codes = vandq_u32(vshlq_u32(vdupq_n_u32(*p), shifts), vdupq_n_u32(3));
  return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(codes), vdupq_n_s32(1)));
}
// kLanes binary weights -1, 1 from the bits of columns c, c + 1, ... of a row; c is a multiple of kLanes.
inline VecF LoadBinary(const uint8_t* row, int c) {
  const uint32x4_t bits = {1, 2, 4, 8};
  const uint32x4_t set = vtstq_u32(vdupq_n_u32(static_cast<uint32_t>(row[c / 8]) >> c % 8), bits);
  return vbslq_f32(set, vdupq_n_f32(1.0f), vdupq_n_f32(-1.0f));
}

inline void TransposeBlock(const float* src, size_t stride, int rows, int cols, float* dst) {
  VecF r[4];
  for (int i = 0; i < 4; ++i) r[i] = i < rows ? LoadPartial(src + static_cast<size_t>(i) * stride, cols) : Zero();
  const float64x2_t t0 = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
  const float64x2_t t1 = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
  const float64x2_t t2 = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
  const float64x2_t t3 = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
  Store(dst, vreinterpretq_f32_f64(vtrn1q_f64(t0, t2)));
  if (cols > 1) Store(dst + 4, vreinterpretq_f32_f64(vtrn1q_f64(t1, t3)));
  if (cols > 2) Store(dst + 8, vreinterpretq_f32_f64(vtrn2q_f64(t0, t2)));
  if (cols > 3) Store(dst + 12, vreinterpretq_f32_f64(vtrn2q_f64(t1, t3)));
}

}  // namespace
}  // namespace sottovoce
