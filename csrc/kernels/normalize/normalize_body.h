// The bodies of this family over VecF. Include after one of the simd/f32_<isa>.h headers, in a file that exports
// SV_NORMALIZE_TABLE.
#pragma once

#include <math.h>
#include <string.h>

#include "kernels/normalize/normalize.h"
#include "kernels/simd/exp_body.h"

namespace sottovoce {
namespace {

inline int Whole(int cols) {
  return cols / kLanes * kLanes;
}

// Pass 1 writes x + residual into y and takes its mean. Pass 2 sums the deviations and their squares: the sum of
// deviations is what rounding left in the mean, and correcting for it keeps rows exact whose mean is large beside their
// spread.
template <bool kResidual>
float LayerNormRow(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
                   int cols, float* y) {
  const int whole = Whole(cols), rest = cols - whole;
  const float inverse_count = 1.0f / static_cast<float>(cols);
  VecF s0 = Zero(), s1 = Zero();
  int c = 0;
  const auto take = [&](int at) {
    const VecF value = kResidual ? Add(Load(x + at), Load(residual + at)) : Load(x + at);
    Store(y + at, value);
    return value;
  };
  for (; c + 2 * kLanes <= whole; c += 2 * kLanes) {
    s0 = Add(s0, take(c));
    s1 = Add(s1, take(c + kLanes));
  }
  if (c < whole) s0 = Add(s0, take(c));
  VecF last = Zero();
  if (rest > 0) {
    last = LoadPartial(x + whole, rest);
    if (kResidual) last = Add(last, LoadPartial(residual + whole, rest));
    s1 = Add(s1, last);
  }
  const VecF mean = Set(ReduceAdd(Add(s0, s1)) * inverse_count);

  VecF q0 = Zero(), q1 = Zero();
  s0 = s1 = Zero();
  for (c = 0; c + 2 * kLanes <= whole; c += 2 * kLanes) {
    const VecF d0 = Sub(Load(y + c), mean), d1 = Sub(Load(y + c + kLanes), mean);
    s0 = Add(s0, d0);
    s1 = Add(s1, d1);
    q0 = MulAdd(d0, d0, q0);
    q1 = MulAdd(d1, d1, q1);
  }
  if (c < whole) {
    const VecF d = Sub(Load(y + c), mean);
    s0 = Add(s0, d);
    q0 = MulAdd(d, d, q0);
  }
  if (rest > 0) {
    const VecF d = ZeroBeyond(Sub(last, mean), rest);
    s1 = Add(s1, d);
    q1 = MulAdd(d, d, q1);
  }
  float sums[4];
  ReduceAdd4(Add(s0, s1), Add(q0, q1), Zero(), Zero(), sums);
  const float correction = sums[0] * inverse_count;
  const float variance = sums[1] * inverse_count - correction * correction;
  const float inverse = 1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + epsilon);

  const VecF inverse_vec = Set(inverse), correction_vec = Set(correction);
  const auto finish = [&](VecF value, VecF w, VecF b) {
    return MulAdd(Mul(Sub(Sub(value, mean), correction_vec), inverse_vec), w, b);
  };
  VecI m0 = ZeroInt();
  for (c = 0; c < whole; c += kLanes) {
    const VecF out = finish(Load(y + c), Load(weight + c), Load(bias + c));
    Store(y + c, out);
    m0 = MaxInt(m0, MagnitudeBits(out));
  }
  if (rest > 0) {
    const VecF out = finish(last, LoadPartial(weight + c, rest), LoadPartial(bias + c, rest));
    StorePartial(y + c, out, rest);
    m0 = MaxInt(m0, MagnitudeBits(ZeroBeyond(out, rest)));
  }
  const int32_t bits = ReduceMaxInt(m0);
  float largest;
  memcpy(&largest, &bits, sizeof largest);
  return largest;
}

float LayerNorm(const float* x, const float* residual, const float* weight, const float* bias, float epsilon, int cols,
                float* y) {
  if (cols <= 0) return 0.0f;
  return residual != nullptr ? LayerNormRow<true>(x, residual, weight, bias, epsilon, cols, y)
                             : LayerNormRow<false>(x, residual, weight, bias, epsilon, cols, y);
}

void SoftmaxRow(float* x, int cols) {
  if (cols <= 0) return;
  const int whole = Whole(cols), rest = cols - whole;
  float largest = x[0];
  if (whole > 0) {
    VecF m = Load(x);
    for (int c = kLanes; c < whole; c += kLanes) m = Max(m, Load(x + c));
    largest = ReduceMax(m);
  }
  for (int c = whole; c < cols; ++c) largest = x[c] > largest ? x[c] : largest;
  if (largest == -INFINITY) largest = 0.0f;  // nothing to attend to: all exponentials are 0
  const VecF shift = Set(largest);
  VecF s = Zero();
  for (int c = 0; c < whole; c += kLanes) {
    const VecF e = Exp(Sub(Load(x + c), shift));
    Store(x + c, e);
    s = Add(s, e);
  }
  float sum = ReduceAdd(s);
  if (rest > 0) {
    StorePartial(x + whole, Exp(Sub(LoadPartial(x + whole, rest), shift)), rest);
    for (int c = whole; c < cols; ++c) sum += x[c];
  }
  const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
  const VecF factor = Set(inverse);
  for (int c = 0; c < whole; c += kLanes) Store(x + c, Mul(Load(x + c), factor));
  for (int c = whole; c < cols; ++c) x[c] *= inverse;
}

}  // namespace

const NormalizeKernels SV_NORMALIZE_TABLE = {LayerNorm, SoftmaxRow};

}  // namespace sottovoce
