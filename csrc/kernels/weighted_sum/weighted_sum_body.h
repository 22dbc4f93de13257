// The body of this family over VecF. Include after one of the simd/f32_<isa>.h headers, in a file that exports
// SV_WEIGHTED_SUM_TABLE.
#pragma once

#include "kernels/weighted_sum/weighted_sum.h"

namespace sottovoce {
namespace {

// kVectors vectors of columns, of the last of which `last` are there. Products and sums round alone, as in scalar code.
template <int kVectors>
inline void Columns(const float* weights, const float* rows, int count, int cols, int last, float* y) {
  constexpr int kLast = kVectors - 1;
  VecF acc[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kLast; ++v) acc[v] = Load(y + v * kLanes);
  acc[kLast] = LoadPartial(y + kLast * kLanes, last);
  for (int j = 0; j < count; ++j, rows += cols) {
    const VecF weight = Set(weights[j]);
#pragma GCC unroll 4
    for (int v = 0; v < kLast; ++v) acc[v] = Add(acc[v], Mul(weight, Load(rows + v * kLanes)));
    acc[kLast] = Add(acc[kLast], Mul(weight, LoadPartial(rows + kLast * kLanes, last)));
  }
#pragma GCC unroll 4
  for (int v = 0; v < kLast; ++v) Store(y + v * kLanes, acc[v]);
  StorePartial(y + kLast * kLanes, acc[kLast], last);
}

void AddWeightedRowsBody(const float* weights, const float* rows, int count, int cols, float* y) {
  int c = 0;
  for (; cols - c > 4 * kLanes; c += 4 * kLanes) Columns<4>(weights, rows + c, count, cols, kLanes, y + c);
  const int left = cols - c;
  if (left <= 0) return;
  const int vectors = (left + kLanes - 1) / kLanes;
  const int last = left - (vectors - 1) * kLanes;
  switch (vectors) {
    case 1: return Columns<1>(weights, rows + c, count, cols, last, y + c);
    case 2: return Columns<2>(weights, rows + c, count, cols, last, y + c);
    case 3: return Columns<3>(weights, rows + c, count, cols, last, y + c);
    default: return Columns<4>(weights, rows + c, count, cols, last, y + c);
  }
}

}  // namespace

const WeightedSumKernels SV_WEIGHTED_SUM_TABLE = {AddWeightedRowsBody};

}  // namespace sottovoce
