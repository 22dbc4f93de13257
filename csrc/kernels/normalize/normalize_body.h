// The bodies of this family over VecF. Include after one of the simd/f32_<isa>.h headers, in a file that exports
// SV_NORMALIZE_TABLE.
#pragma once

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
float LayerNormRow(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
                   int cols, float* y) {
  if (cols <= 0) return 0.0f;
  const int whole = Whole(cols), rest = cols - whole;
  const float count = static_cast<float>(cols);
  VecF s0 = Zero(), s1 = Zero();
  int c = 0;
  const auto take = [&](int at) {
    const VecF value = residual != nullptr ? Add(Load(x + at), Load(residual + at)) : Load(x + at);
    Store(y + at, value);
    return value;
  };
  for (; c + 2 * kLanes <= whole; c += 2 * kLanes) {
    s0 = Add(s0, take(c));
    s1 = Add(s1, take(c + kLanes));
  }
  if (c < whole) s0 = Add(s0, take(c));
  if (rest > 0) {
    VecF value = LoadPartial(x + whole, rest);
    if (residual != nullptr) value = Add(value, LoadPartial(residual + whole, rest));
    StorePartial(y + whole, value, rest);
    s1 = Add(s1, value);
  }
  const float mean = ReduceAdd(Add(s0, s1)) / count;

  const VecF mean_vec = Set(mean);
  VecF q0 = Zero(), q1 = Zero();
  s0 = s1 = Zero();
  for (c = 0; c + 2 * kLanes <= whole; c += 2 * kLanes) {
    const VecF d0 = Sub(Load(y + c), mean_vec), d1 = Sub(Load(y + c + kLanes), mean_vec);
    s0 = Add(s0, d0);
    s1 = Add(s1, d1);
    q0 = MulAdd(d0, d0, q0);
    q1 = MulAdd(d1, d1, q1);
  }
  if (c < whole) {
    const VecF d = Sub(Load(y + c), mean_vec);
    s0 = Add(s0, d);
    q0 = MulAdd(d, d, q0);
  }
  float sum = ReduceAdd(Add(s0, s1)), squares = ReduceAdd(Add(q0, q1));
  for (c = whole; c < cols; ++c) {
    const float d = y[c] - mean;
    sum += d;
    squares += d * d;
  }
  const float correction = sum / count;
  const float variance = squares / count - correction * correction;
  const float inverse = 1.0f / sqrtf((variance > 0.0f ? variance : variance * 0.0f) + epsilon);

  const VecF inverse_vec = Set(inverse), correction_vec = Set(correction);
  const auto finish = [&](VecF value, VecF w, VecF b) {
    return MulAdd(Mul(Sub(Sub(value, mean_vec), correction_vec), inverse_vec), w, b);
  };
  VecF largest = Zero();
  for (c = 0; c < whole; c += kLanes) {
    const VecF out = finish(Load(y + c), Load(weight + c), Load(bias + c));
    Store(y + c, out);
    largest = Max(largest, ZeroIfNan(Abs(out)));
  }
  if (rest > 0) {  // weight and bias are 0 in the lanes beyond cols; where 0 x infinity makes NaN there, it is left out
    const VecF out = finish(LoadPartial(y + c, rest), LoadPartial(weight + c, rest), LoadPartial(bias + c, rest));
    StorePartial(y + c, out, rest);
    largest = Max(largest, ZeroIfNan(Abs(out)));
  }
  return ReduceMax(largest);
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

const NormalizeKernels SV_NORMALIZE_TABLE = {LayerNormRow, SoftmaxRow};

}  // namespace sottovoce
