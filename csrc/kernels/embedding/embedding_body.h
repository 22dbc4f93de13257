// The bodies of this family over VecF. Include after one of the simd/f32_<isa>.h headers, in a file that exports
// SV_EMBEDDING_TABLE.
#pragma once

#include "kernels/embedding/embedding.h"

namespace sottovoce {
namespace {

void AddQ1(const uint8_t* row, float scale, int cols, float* y) {
  const VecF factor = Set(scale);
  int c = 0;
  for (; c + kLanes <= cols; c += kLanes) Store(y + c, Add(Load(y + c), Mul(LoadBinary(row, c), factor)));
  for (; c < cols; ++c) y[c] += (row[c / 8] >> c % 8 & 1) != 0 ? scale : -scale;
}

void AddQ2(const uint8_t* row, float scale, int cols, float* y) {
  const VecF factor = Set(scale);
  int c = 0;
  for (; c + kLanes <= cols; c += kLanes) Store(y + c, Add(Load(y + c), Mul(LoadTernary(row + c / 4), factor)));
  for (; c < cols; ++c) y[c] += static_cast<float>((row[c / 4] >> 2 * (c % 4) & 3) - 1) * scale;
}

void AddQ8(const int8_t* row, float scale, int cols, float* y) {
  const VecF factor = Set(scale);
  int c = 0;
  for (; c + kLanes <= cols; c += kLanes) Store(y + c, Add(Load(y + c), Mul(LoadInt8(row + c), factor)));
  for (; c < cols; ++c) y[c] += static_cast<float>(row[c]) * scale;
}

}  // namespace

const EmbeddingKernels SV_EMBEDDING_TABLE = {AddQ1, AddQ2, AddQ8};

}  // namespace sottovoce
