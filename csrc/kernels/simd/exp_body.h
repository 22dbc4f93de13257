// exp over a vector. Include after one of the f32_<isa>.h headers.
#pragma once

namespace sottovoce {
namespace {

// exp(x), relative error below 2e-7 for x in [-87.33, 88]; 0 below (the result would be subnormal); NaN stays NaN.
// exp(x) = 2^n exp(r), r = x - n ln 2 in [-0.347, 0.347]; ln 2 in two parts so that n * (the first) is exact. The
// polynomial is a minimax fit, relative error 3e-9.
inline VecF Exp(VecF x) {
  const VecF limited = Max(Set(-87.33f), x);
  const VecF t = MulAdd(limited, Set(1.44269504f), Set(kRounder));
  const VecF n = Sub(t, Set(kRounder));
  const VecF r = NegMulAdd(n, Set(-2.12194440e-4f), NegMulAdd(n, Set(0.693359375f), limited));
  VecF p = Set(1.381446724e-03f);
  p = MulAdd(p, r, Set(8.368780836e-03f));
  p = MulAdd(p, r, Set(4.166839272e-02f));
  p = MulAdd(p, r, Set(1.666651964e-01f));
  p = MulAdd(p, r, Set(4.999999404e-01f));
  p = MulAdd(p, r, Set(1.0f));
  p = MulAdd(p, r, Set(1.0f));
  return ZeroIfLess(x, -87.33f, ScaleByPower(p, t));
}

// 2^x, relative error below 2e-7 for x in [-126, 127]; 2^-126 below; NaN stays NaN.
inline VecF Exp2(VecF x) {
  const VecF limited = Max(Set(-126.0f), x);
  const VecF t = Add(limited, Set(kRounder));
  const VecF r = Sub(limited, Sub(t, Set(kRounder)));
  VecF p = Set(1.535334159e-04f);
  p = MulAdd(p, r, Set(1.339890063e-03f));
  p = MulAdd(p, r, Set(9.618437849e-03f));
  p = MulAdd(p, r, Set(5.550332367e-02f));
  p = MulAdd(p, r, Set(2.402264774e-01f));
  p = MulAdd(p, r, Set(6.931471825e-01f));
  p = MulAdd(p, r, Set(1.0f));
  return ScaleByPower(p, t);
}

}  // namespace
}  // namespace sottovoce
