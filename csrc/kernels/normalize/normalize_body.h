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
// spread. kRows rows go together only to overlap their chains of dependent steps; each has its own sums.
template <bool kResidual, int kRows>
inline void LayerNormRows(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
                          int cols, float* y, float* largest) {
  const int whole = Whole(cols), rest = cols - whole;
  const float inverse_count = 1.0f / static_cast<float>(cols);
  VecF sum[kRows], last[kRows], mean[kRows];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) sum[r] = last[r] = Zero();
  for (int c = 0; c < whole; c += kLanes) {
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      const int at = r * cols + c;
      const VecF value = kResidual ? Add(Load(x + at), Load(residual + at)) : Load(x + at);
      Store(y + at, value);
      sum[r] = Add(sum[r], value);
    }
  }
  if (rest > 0) {
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      const int at = r * cols + whole;
      last[r] = LoadPartial(x + at, rest);
      if (kResidual) last[r] = Add(last[r], LoadPartial(residual + at, rest));
      sum[r] = Add(sum[r], last[r]);
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) mean[r] = Set(ReduceAdd(sum[r]) * inverse_count);

  VecF deviations[kRows], squares[kRows];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) deviations[r] = squares[r] = Zero();
  for (int c = 0; c < whole; c += kLanes) {
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      const VecF d = Sub(Load(y + r * cols + c), mean[r]);
      deviations[r] = Add(deviations[r], d);
      squares[r] = MulAdd(d, d, squares[r]);
    }
  }
  VecF inverse[kRows], correction[kRows];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
    const VecF d = ZeroBeyond(Sub(last[r], mean[r]), rest);
    float sums[4];
    ReduceAdd4(Add(deviations[r], d), MulAdd(d, d, squares[r]), Zero(), Zero(), sums);
    const float left = sums[0] * inverse_count;
    const float variance = sums[1] * inverse_count - left * left;
    correction[r] = Set(left);
    inverse[r] = Set(1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + epsilon));
  }

  VecI most[kRows];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) most[r] = ZeroInt();
  for (int c = 0; c < cols; c += kLanes) {
    const int count = cols - c < kLanes ? cols - c : kLanes;
    const VecF w = count == kLanes ? Load(weight + c) : LoadPartial(weight + c, count);
    const VecF b = count == kLanes ? Load(bias + c) : LoadPartial(bias + c, count);
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      float* out = y + r * cols + c;
      const VecF value = count == kLanes ? Load(out) : last[r];
      const VecF normal = MulAdd(Mul(Sub(Sub(value, mean[r]), correction[r]), inverse[r]), w, b);
      if (count == kLanes) {
        Store(out, normal);
        most[r] = MaxInt(most[r], MagnitudeBits(normal));
      } else {
        StorePartial(out, normal, count);
        most[r] = MaxInt(most[r], MagnitudeBits(ZeroBeyond(normal, count)));
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
    const int32_t bits = ReduceMaxInt(most[r]);
    memcpy(largest + r, &bits, sizeof bits);
  }
}

template <bool kResidual>
inline void LayerNormAll(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
                         int rows, int cols, float* y, float* largest) {
  const size_t width = static_cast<size_t>(cols);
  int r = 0;
  for (; r + 2 <= rows; r += 2) {
    LayerNormRows<kResidual, 2>(x + r * width, kResidual ? residual + r * width : nullptr, weight, bias, epsilon, cols,
                                y + r * width, largest + r);
  }
  if (r < rows) {
    LayerNormRows<kResidual, 1>(x + r * width, kResidual ? residual + r * width : nullptr, weight, bias, epsilon, cols,
                                y + r * width, largest + r);
  }
}

void LayerNorm(const float* x, const float* residual, const float* weight, const float* bias, float epsilon, int rows,
               int cols, float* y, float* largest) {
  if (cols <= 0) {
    for (int r = 0; r < rows; ++r) largest[r] = 0.0f;
  } else if (residual != nullptr) {
    LayerNormAll<true>(x, residual, weight, bias, epsilon, rows, cols, y, largest);
  } else {
    LayerNormAll<false>(x, residual, weight, bias, epsilon, rows, cols, y, largest);
  }
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
