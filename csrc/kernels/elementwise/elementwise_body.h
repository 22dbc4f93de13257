// The bodies of this family over VecF. Include after one of the simd/f32_<isa>.h headers, in a file that exports
// SV_ELEMENTWISE_TABLE.
#pragma once

#include <math.h>
#include <string.h>

#include "kernels/elementwise/elementwise.h"
#include "kernels/simd/exp_body.h"

namespace sottovoce {
namespace {

// gelu(x) = max(x, 0) - a Q(a) with a = |x|, Q(a) = erfc(a / sqrt 2) / 2. Q^(1/4) is close to a polynomial: the fit
// below (minimax of a Q(a) on [0, 5.5]) leaves 1.9e-8, and float32 rounding about 9e-8. At 5.5 a Q(a) is 1e-7, so a
// stops there. Even and odd powers go separately, for shorter chains of dependent steps.
inline VecF GeluVec(VecF x) {
  const VecF a = Min(Set(5.5f), Abs(x));
  const VecF square = Mul(a, a);
  VecF even = Set(4.102095019e-08f), odd = Set(-6.824099046e-07f);
  even = MulAdd(even, square, Set(1.060248792e-06f));
  odd = MulAdd(odd, square, Set(4.427926615e-05f));
  even = MulAdd(even, square, Set(-2.876619983e-04f));
  odd = MulAdd(odd, square, Set(-3.297349394e-05f));
  even = MulAdd(even, square, Set(3.751887009e-03f));
  odd = MulAdd(odd, square, Set(4.705231637e-03f));
  even = MulAdd(even, square, Set(-5.022727326e-02f));
  odd = MulAdd(odd, square, Set(-1.677274704e-01f));
  even = MulAdd(even, square, Set(8.408960104e-01f));
  VecF p = MulAdd(odd, a, even);
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

// Four vectors at a time, so that their chains of dependent steps overlap.
template <VecF (*kFunction)(VecF)>
void Map(const float* x, size_t n, float* y) {
  size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    const VecF a = kFunction(Load(x + i)), b = kFunction(Load(x + i + kLanes)), c = kFunction(Load(x + i + 2 * kLanes)),
               d = kFunction(Load(x + i + 3 * kLanes));
    Store(y + i, a);
    Store(y + i + kLanes, b);
    Store(y + i + 2 * kLanes, c);
    Store(y + i + 3 * kLanes, d);
  }
  for (; i + kLanes <= n; i += kLanes) Store(y + i, kFunction(Load(x + i)));
  const int rest = static_cast<int>(n - i);
  if (rest > 0) StorePartial(y + i, kFunction(LoadPartial(x + i, rest)), rest);
}

inline float FloatOfBits(int32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

float MaxAbs(const float* x, size_t n) {
  VecI m0 = ZeroInt(), m1 = ZeroInt();
  size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    m0 = MaxInt(m0, MagnitudeBits(Load(x + i)));
    m1 = MaxInt(m1, MagnitudeBits(Load(x + i + kLanes)));
  }
  for (; i + kLanes <= n; i += kLanes) m0 = MaxInt(m0, MagnitudeBits(Load(x + i)));
  const int rest = static_cast<int>(n - i);
  if (rest > 0) m1 = MaxInt(m1, MagnitudeBits(LoadPartial(x + i, rest)));
  return FloatOfBits(ReduceMaxInt(MaxInt(m0, m1)));
}

float GeluMaxAbs(const float* x, size_t n, float* y) {
  VecI m0 = ZeroInt(), m1 = ZeroInt();
  size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    const VecF a = GeluVec(Load(x + i)), b = GeluVec(Load(x + i + kLanes)), c = GeluVec(Load(x + i + 2 * kLanes)),
               d = GeluVec(Load(x + i + 3 * kLanes));
    Store(y + i, a);
    Store(y + i + kLanes, b);
    Store(y + i + 2 * kLanes, c);
    Store(y + i + 3 * kLanes, d);
    m0 = MaxInt(m0, MaxInt(MagnitudeBits(a), MagnitudeBits(b)));
    m1 = MaxInt(m1, MaxInt(MagnitudeBits(c), MagnitudeBits(d)));
  }
  for (; i < n; i += kLanes) {
    const size_t left = n - i;
    const int count = left < kLanes ? static_cast<int>(left) : kLanes;
    const VecF a = GeluVec(LoadPartial(x + i, count));  // gelu(0) = 0 in the lanes beyond n
    StorePartial(y + i, a, count);
    m0 = MaxInt(m0, MagnitudeBits(a));
  }
  return FloatOfBits(ReduceMaxInt(MaxInt(m0, m1)));
}

// q[i] = code_of(x[i]) as bytes; returns their sum.
template <typename CodeOf>
int32_t StoreCodes(const float* x, size_t n, int8_t* q, const CodeOf& code_of) {
  VecI sum = ZeroInt();
  size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    sum = StoreInt8x4(q + i, code_of(Load(x + i)), code_of(Load(x + i + kLanes)), code_of(Load(x + i + 2 * kLanes)),
                      code_of(Load(x + i + 3 * kLanes)), sum);
  }
  for (; i + kLanes <= n; i += kLanes) {
    const VecI value = code_of(Load(x + i));
    StoreInt8(q + i, value);
    sum = AddInt(sum, value);
  }
  int32_t total = ReduceAddInt(sum);
  const int rest = static_cast<int>(n - i);
  if (rest > 0) {
    int8_t bytes[kLanes];
    StoreInt8(bytes, code_of(LoadPartial(x + i, rest)));
    for (int j = 0; j < rest; ++j) total += q[i + j] = bytes[j];
  }
  return total;
}

// The order of the float steps is fixed: every ISA and the torch reference agree on each integer.
template <bool kClip>
int32_t Quantize(const float* x, size_t n, float clip, float inverse, int8_t* q) {
  const VecF high = Set(clip), low = Set(-clip), factor = Set(inverse);
  return StoreCodes(x, n, q,
                    [&](VecF value) { return ToInt(Mul(kClip ? Min(high, Max(low, value)) : value, factor)); });
}

int32_t QuantizeFrom(const float* x, size_t n, const CodeRange* range, int8_t* q) {
  const VecF low = Set(range->low), high = Set(range->high), base = Set(range->base), inverse = Set(range->inverse);
  const VecF bottom = Set(range->bottom), levels = Set(range->levels), below = Set(range->below);
  const VecF rounder = Set(kRounder);
  return StoreCodes(x, n, q, [&](VecF value) {
    const VecF counted = Mul(Sub(Min(high, Max(low, value)), base), inverse);
    // Rounded before the shift: the difference of a fraction would be inexact and could turn into a tie.
    const VecF whole = Sub(Add(Min(levels, Max(bottom, counted)), rounder), rounder);
    return ToInt(Sub(whole, below));
  });
}

void Range(const float* x, size_t n, float* least, float* most) {
  VecF smallest = Set(INFINITY), largest = Set(-INFINITY);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VecF value = Load(x + i);
    smallest = Min(smallest, value);
    largest = Max(largest, value);
  }
  float low[kLanes], high[kLanes];
  Store(low, smallest);
  Store(high, largest);
  *least = low[0];
  *most = high[0];
  for (int j = 1; j < kLanes; ++j) {
    *least = low[j] < *least ? low[j] : *least;
    *most = high[j] > *most ? high[j] : *most;
  }
  for (; i < n; ++i) {
    *least = x[i] < *least ? x[i] : *least;
    *most = x[i] > *most ? x[i] : *most;
  }
}

}  // namespace

const ElementwiseKernels SV_ELEMENTWISE_TABLE = {Map<GeluVec>,    Map<ReluVec>,   Map<TanhVec>, MaxAbs,      GeluMaxAbs,
                                                 Quantize<false>, Quantize<true>, Range,        QuantizeFrom};

}  // namespace sottovoce
