// The bodies of this family over VecF. Include after one of the simd/f32_<isa>.h headers, in a file that exports
// SV_ELEMENTWISE_TABLE.
#pragma once

#include "kernels/elementwise/elementwise.h"
#include "kernels/simd/exp_body.h"

namespace sottovoce {
namespace {

// gelu(x) = max(x, 0) - a Q(a) with a = |x|, Q(a) = erfc(a / sqrt 2) / 2. Q^(1/4) is close to a polynomial: the fit
// below (minimax of a Q(a) on [0, 5.5]) leaves 1.9e-8, and float32 rounding about 9e-8. At 5.5 a Q(a) is 1e-7, so a
// stops there.
inline VecF GeluVec(VecF x) {
  const VecF a = Min(Set(5.5f), Abs(x));
  VecF p = Set(4.102095019e-08f);
  p = MulAdd(p, a, Set(-6.824099046e-07f));
  p = MulAdd(p, a, Set(1.060248792e-06f));
  p = MulAdd(p, a, Set(4.427926615e-05f));
  p = MulAdd(p, a, Set(-2.876619983e-04f));
  p = MulAdd(p, a, Set(-3.297349394e-05f));
  p = MulAdd(p, a, Set(3.751887009e-03f));
  p = MulAdd(p, a, Set(4.705231637e-03f));
  p = MulAdd(p, a, Set(-5.022727326e-02f));
  p = MulAdd(p, a, Set(-1.677274704e-01f));
  p = MulAdd(p, a, Set(8.408960104e-01f));
  p = Mul(p, p);
  p = Mul(p, p);
  return NegMulAdd(a, p, Max(Zero(), x));
}

// Near 0 an odd polynomial (relative error 5e-9) keeps small results relatively exact; 9.1 and beyond round to 1.
inline VecF TanhVec(VecF x) {
  const VecF a = Min(Set(9.1f), Abs(x));
  const VecF square = Mul(a, a);
  VecF p = Set(-5.696624052e-03f);
  p = MulAdd(p, square, Set(2.063189074e-02f));
  p = MulAdd(p, square, Set(-5.373760685e-02f));
  p = MulAdd(p, square, Set(1.333141774e-01f));
  p = MulAdd(p, square, Set(-3.333328068e-01f));
  const VecF small = MulAdd(Mul(square, a), p, a);
  const VecF large = Sub(Set(1.0f), Div(Set(2.0f), Add(Exp(Add(a, a)), Set(1.0f))));
  return CopySign(SelectLess(a, 0.625f, small, large), x);
}

inline VecF ReluVec(VecF x) {
  return Max(Zero(), x);
}

template <VecF (*kFunction)(VecF)>
void Map(const float* x, size_t n, float* y) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(y + i, kFunction(Load(x + i)));
  const int rest = static_cast<int>(n - i);
  if (rest > 0) StorePartial(y + i, kFunction(LoadPartial(x + i, rest)), rest);
}

float MaxAbs(const float* x, size_t n) {
  VecF m0 = Zero(), m1 = Zero();
  size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    m0 = Max(m0, ZeroIfNan(Abs(Load(x + i))));
    m1 = Max(m1, ZeroIfNan(Abs(Load(x + i + kLanes))));
  }
  for (; i < n; i += kLanes) {
    const size_t rest = n - i;
    m0 = Max(m0, ZeroIfNan(Abs(LoadPartial(x + i, rest < kLanes ? static_cast<int>(rest) : kLanes))));
  }
  return ReduceMax(Max(m0, m1));
}

float GeluMaxAbs(const float* x, size_t n, float* y) {
  VecF m = Zero();
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VecF g = GeluVec(Load(x + i));
    Store(y + i, g);
    m = Max(m, ZeroIfNan(Abs(g)));
  }
  const int rest = static_cast<int>(n - i);
  if (rest > 0) {
    const VecF g = GeluVec(LoadPartial(x + i, rest));  // gelu(0) = 0 in the lanes beyond n
    StorePartial(y + i, g, rest);
    m = Max(m, ZeroIfNan(Abs(g)));
  }
  return ReduceMax(m);
}

// The order of the float steps is fixed: every ISA and the torch reference agree on each integer.
inline VecI QuantizeVec(VecF x, VecF low, VecF high, VecF inverse) {
  const VecF scaled = ZeroIfNan(Mul(Min(high, Max(low, x)), inverse));
  return ToInt(Min(Set(127.0f), Max(Set(-127.0f), scaled)));
}

int32_t Quantize(const float* x, size_t n, float clip, float inverse, int8_t* q) {
  const VecF high = Set(clip), low = Set(-clip), factor = Set(inverse);
  VecI sum = ZeroInt();
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VecI v = QuantizeVec(Load(x + i), low, high, factor);
    StoreInt8(q + i, v);
    sum = AddInt(sum, v);
  }
  const int rest = static_cast<int>(n - i);
  if (rest > 0) {
    int8_t bytes[kLanes];
    const VecI v = QuantizeVec(LoadPartial(x + i, rest), low, high, factor);
    StoreInt8(bytes, v);
    for (int j = 0; j < rest; ++j) q[i + j] = bytes[j];
    sum = AddInt(sum, v);
  }
  return ReduceAddInt(sum);
}

}  // namespace

const ElementwiseKernels SV_ELEMENTWISE_TABLE = {Map<GeluVec>, Map<ReluVec>, Map<TanhVec>,
                                                 MaxAbs,       GeluMaxAbs,   Quantize};

}  // namespace sottovoce
