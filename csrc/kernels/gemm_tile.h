// What the integer products share on every ISA. Everything is internal to the including file.
#pragma once

#include "kernels/matrix.h"

#define SV_INLINE inline __attribute__((always_inline))

namespace sottovoce {
namespace {

template <int kRows>
struct RowCount {
  static constexpr int value = kRows;
};

// Calls run(RowCount<rows>()) for 1 <= rows <= kMost, so that a tile's height is a constant where it counts.
template <int kMost, int kRows = 1, typename Run>
SV_INLINE void WithRowCount(int rows, const Run& run) {
  if constexpr (kRows < kMost) {
    if (rows > kRows) return WithRowCount<kMost, kRows + 1>(rows, run);
  }
  run(RowCount<kRows>());
}

// What is added to a product: one bias for all rows (stride 0), another product (its stride), or nothing.
struct Addend {
  const float* data;  // (rows, outputs); null: nothing
  size_t stride;      // floats

  SV_INLINE const float* at(int r, int output) const { return data + static_cast<size_t>(r) * stride + output; }
};

}  // namespace
}  // namespace sottovoce
