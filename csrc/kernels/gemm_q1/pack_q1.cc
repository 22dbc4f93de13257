// Layout "q1p16x8" of matrix.h.
#include <cstring>

#include "kernels/gemm.h"

namespace sottovoce {

size_t PackedBytesQ1(int rows, int cols) {
  return (static_cast<size_t>(rows) + 15) / 16 * ((static_cast<size_t>(cols) + 31) / 32) * 64;
}

void PackQ1(const int8_t* weights, int rows, int cols, uint8_t* panels) {
  const size_t blocks = (static_cast<size_t>(cols) + 31) / 32;
  std::memset(panels, 0, PackedBytesQ1(rows, cols));
  for (int o = 0; o < rows; ++o) {
    uint8_t* lane = panels + static_cast<size_t>(o / 16) * blocks * 64 + o % 16 * 4;
    for (int c = 0; c < cols; ++c) {
      const bool positive = weights[static_cast<size_t>(o) * static_cast<size_t>(cols) + static_cast<size_t>(c)] > 0;
      lane[static_cast<size_t>(c / 32) * 64 + c % 4] |= static_cast<uint8_t>(positive << (c % 32 / 4));
    }
  }
}

}  // namespace sottovoce
