// The body of this family over VecF. Include after one of the simd/f32_<isa>.h headers, in a file that exports
// SV_GEMM_F32_TABLE.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"

namespace sottovoce {
namespace {

// One accumulator of kLanes partial sums for each output, k ascending in steps of kLanes, then ReduceAdd4's fixed
// order: tiles of any shape give the same bits.
template <int kRows, int kOutputs>
inline void Tile(const float* x, size_t x_stride, const float* w, int depth, const float* bias, float* y,
                 size_t y_stride) {
  const size_t w_stride = static_cast<size_t>(depth);
  VecF acc[kRows][kOutputs];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int o = 0; o < kOutputs; ++o) acc[r][o] = Zero();
  }
  int k = 0;
  for (; k + kLanes <= depth; k += kLanes) {
    VecF left[kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) left[r] = Load(x + r * x_stride + k);
#pragma GCC unroll 8
    for (int o = 0; o < kOutputs; ++o) {
      const VecF right = Load(w + o * w_stride + k);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) acc[r][o] = MulAdd(left[r], right, acc[r][o]);
    }
  }
  const int rest = depth - k;
  if (rest > 0) {
    VecF left[kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) left[r] = LoadPartial(x + r * x_stride + k, rest);
#pragma GCC unroll 8
    for (int o = 0; o < kOutputs; ++o) {
      const VecF right = LoadPartial(w + o * w_stride + k, rest);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) acc[r][o] = MulAdd(left[r], right, acc[r][o]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    float* out = y + r * y_stride;
    float sums[4];
    if (kOutputs < 4) {
      ReduceAdd4(acc[r][0], Zero(), Zero(), Zero(), sums);
      out[0] = bias != nullptr ? sums[0] + bias[0] : sums[0];
      continue;
    }
#pragma GCC unroll 2
    for (int o = 0; o + 3 < kOutputs; o += 4) {
      ReduceAdd4(acc[r][o], acc[r][o + 1], acc[r][o + 2], acc[r][o + 3], sums);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) out[o + j] = bias != nullptr ? sums[j] + bias[o + j] : sums[j];
    }
  }
}

// All rows for one block of outputs, whose weights stay in the first-level cache meanwhile.
template <int kOutputs, int kSingleRowOutputs>
inline void Block(const float* x, int rows, size_t x_stride, const float* w, int depth, const float* bias, float* y,
                  size_t y_stride) {
  constexpr int kRows = kRegisters >= 32 || kOutputs == 1 ? 4 : 2;
  int r = 0;
  for (; r + kRows <= rows; r += kRows) {
    Tile<kRows, kOutputs>(x + r * x_stride, x_stride, w, depth, bias, y + r * y_stride, y_stride);
  }
  for (; r < rows; ++r) {
    Tile<1, kSingleRowOutputs>(x + r * x_stride, x_stride, w, depth, bias, y + r * y_stride, y_stride);
  }
}

void Gemm(const float* x, int rows, size_t x_stride, const float* w, int outputs, int depth, const float* bias,
          float* y, size_t y_stride) {
  const size_t w_stride = static_cast<size_t>(depth);
  int o = 0;
  const auto bias_at = [&](int at) { return bias != nullptr ? bias + at : nullptr; };
  if (rows == 1) {  // more outputs at a time, so that enough independent sums are in flight
    for (; o + 8 <= outputs; o += 8) Tile<1, 8>(x, x_stride, w + o * w_stride, depth, bias_at(o), y + o, y_stride);
  }
  for (; o + 4 <= outputs; o += 4) Block<4, 4>(x, rows, x_stride, w + o * w_stride, depth, bias_at(o), y + o, y_stride);
  for (; o < outputs; ++o) Block<1, 1>(x, rows, x_stride, w + o * w_stride, depth, bias_at(o), y + o, y_stride);
}

}  // namespace

const GemmF32Kernels SV_GEMM_F32_TABLE = {Gemm};

}  // namespace sottovoce
