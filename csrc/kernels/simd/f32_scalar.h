// One-lane stand-in for the vector headers beside it: the same bodies compiled with it are the scalar kernels.
// Every header here defines the same names in an unnamed namespace, and a kernel file includes exactly one of them.
// The contract, for VecF of kLanes floats and VecI of kLanes int32:
//
//   MulAdd(a, b, c) = a * b + c and NegMulAdd(a, b, c) = c - a * b, fused where the ISA can.
//   Max and Min(limit, x): a NaN in x stays NaN.
//   ZeroIfLess(x, limit, value): value, or 0 where x < limit. ZeroBeyond(x, n): lanes n and up made 0.
//   MagnitudeBits(x): the bits of |x|, which ascend with the magnitude, NaN last.
//   ScaleByPower(x, t) = x * 2^n for t = kRounder + n, whole n in [-126, 127]; NaN stays NaN.
//   ReduceAdd4 sums each of four vectors, in one order of additions that does not depend on which of the four it is.
//   ToInt rounds to nearest even, for |x| < 2^22.
//   StoreInt8x4(p, a, b, c, d, sum): 4 kLanes values of [-127, 127] as bytes; returns sum with their sum added
//   somewhere. TransposeBlock: dst[c * kLanes + r] = src[r * stride + c], r < rows <= kLanes, c < cols <= kLanes; other
//   r are 0.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace sottovoce {
namespace {

typedef float VecF;
typedef int32_t VecI;
constexpr int kLanes = 1;
constexpr int kRegisters = 16;

// 1.5 * 2^23: adding it leaves no fraction bits, so the addition itself rounds to nearest even, and the low bits of the
// sum are the whole number.
constexpr float kRounder = 12582912.0f;

inline VecF Set(float x) {
  return x;
}
inline VecF Zero() {
  return 0.0f;
}
inline VecF Load(const float* p) {
  return *p;
}
inline void Store(float* p, VecF x) {
  *p = x;
}
inline VecF LoadPartial(const float* p, int n) {
  return n > 0 ? *p : 0.0f;
}
inline void StorePartial(float* p, VecF x, int n) {
  if (n > 0) *p = x;
}

inline VecF Add(VecF a, VecF b) {
  return a + b;
}
inline VecF Sub(VecF a, VecF b) {
  return a - b;
}
inline VecF Mul(VecF a, VecF b) {
  return a * b;
}
inline VecF Div(VecF a, VecF b) {
  return a / b;
}
inline VecF MulAdd(VecF a, VecF b, VecF c) {
  return a * b + c;
}
inline VecF NegMulAdd(VecF a, VecF b, VecF c) {
  return c - a * b;
}
inline VecF Abs(VecF x) {
  return fabsf(x);
}
// A mask rather than a branch: signs and magnitudes come in no order that a branch predictor could learn.
inline VecF Select(bool first, VecF a, VecF b) {
  uint32_t a_bits, b_bits;
  memcpy(&a_bits, &a, sizeof a_bits);
  memcpy(&b_bits, &b, sizeof b_bits);
  const uint32_t mask = 0u - static_cast<uint32_t>(first), bits = (a_bits & mask) | (b_bits & ~mask);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
inline VecF Max(VecF limit, VecF x) {
  return Select(x < limit, limit, x);
}
inline VecF Min(VecF limit, VecF x) {
  return Select(x > limit, limit, x);
}
inline VecF ZeroIfLess(VecF x, float limit, VecF value) {
  return Select(x < limit, 0.0f, value);
}
inline VecF SelectLess(VecF x, float limit, VecF less, VecF other) {
  return Select(x < limit, less, other);
}
inline VecF ZeroBeyond(VecF x, int n) {
  return n > 0 ? x : 0.0f;
}
inline VecF CopySign(VecF magnitude, VecF sign) {
  return copysignf(magnitude, sign);
}
inline VecF ScaleByPower(VecF x, VecF t) {
  uint32_t bits;
  memcpy(&bits, &t, sizeof bits);
  bits = (bits << 23) + 0x3F800000u;
  float power;
  memcpy(&power, &bits, sizeof power);
  return x * power;
}
inline float ReduceAdd(VecF x) {
  return x;
}
inline float ReduceMax(VecF x) {
  return x;
}
inline void ReduceAdd4(VecF a, VecF b, VecF c, VecF d, float* sums) {
  sums[0] = a;
  sums[1] = b;
  sums[2] = c;
  sums[3] = d;
}

inline VecI ZeroInt() {
  return 0;
}
inline VecI AddInt(VecI a, VecI b) {
  return a + b;
}
inline VecI ToInt(VecF x) {
  return static_cast<int32_t>((x + kRounder) - kRounder);
}
inline int32_t ReduceAddInt(VecI x) {
  return x;
}
inline VecI MagnitudeBits(VecF x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & 0x7FFFFFFF;
}
inline VecI MaxInt(VecI a, VecI b) {
  return a > b ? a : b;
}
inline int32_t ReduceMaxInt(VecI x) {
  return x;
}
inline VecI StoreInt8x4(int8_t* p, VecI a, VecI b, VecI c, VecI d, VecI sum) {
  p[0] = static_cast<int8_t>(a);
  p[1] = static_cast<int8_t>(b);
  p[2] = static_cast<int8_t>(c);
  p[3] = static_cast<int8_t>(d);
  return sum + a + b + c + d;
}
inline void StoreInt8(int8_t* p, VecI x) {
  *p = static_cast<int8_t>(x);
}
inline VecF LoadInt8(const int8_t* p) {
  return static_cast<float>(*p);
}

inline void TransposeBlock(const float* src, size_t stride, int rows, int cols, float* dst) {
  (void)stride;
  for (int c = 0; c < cols; ++c) dst[c] = rows > 0 ? src[c] : 0.0f;
}

}  // namespace
}  // namespace sottovoce
