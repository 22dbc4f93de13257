// exp over a vector. Include after one of the f32_<isa>.h headers.
#pragma once

namespace sottovoce {
namespace {

// Relative error below 2e-7 for x in [-87.33, 88], 0 below (the result would be subnormal) and exp(88) above; NaN stays
// NaN. exp(x) = 2^n exp(r), r = x - n ln 2 in [-0.347, 0.347]; ln 2 in two parts so that n * (the first) is exact. The
// polynomial is a minimax fit of (exp(r) - 1 - r) / r^2, relative error 3e-9.
inline VecF Exp(VecF x) {
  const VecF limited = Min(Set(88.0f), Max(Set(-87.33f), x));
  const VecF n = Round(Mul(limited, Set(1.44269504f)));
  const VecF r = NegMulAdd(n, Set(-2.12194440e-4f), NegMulAdd(n, Set(0.693359375f), limited));
  VecF p = Set(1.381459879e-03f);
  p = MulAdd(p, r, Set(8.368716575e-03f));
  p = MulAdd(p, r, Set(4.166838899e-02f));
  p = MulAdd(p, r, Set(1.666652113e-01f));
  p = MulAdd(p, r, Set(4.999999404e-01f));
  const VecF e = Add(MulAdd(Mul(r, r), p, r), Set(1.0f));
  return ZeroIfLess(x, -87.33f, ScaleByPower(e, n));
}

}  // namespace
}  // namespace sottovoce
