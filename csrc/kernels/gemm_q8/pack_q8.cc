// Layout "q8p16x4" of matrix.h.
#include <cstring>

#include "kernels/gemm.h"

namespace sottovoce {

size_t PackedBytesQ8(int rows, int cols) {
  return (static_cast<size_t>(rows) + 15) / 16 * ((static_cast<size_t>(cols) + 3) / 4) * 64;
}

void PackQ8(const int8_t* weights, int rows, int cols, int8_t* panels) {
  const size_t blocks = (static_cast<size_t>(cols) + 3) / 4;
  std::memset(panels, 0, PackedBytesQ8(rows, cols));
  for (int o = 0; o < rows; ++o) {
    int8_t* lane = panels + static_cast<size_t>(o / 16) * blocks * 64 + o % 16 * 4;
    for (int c = 0; c < cols; ++c) {
      lane[static_cast<size_t>(c / 4) * 64 + c % 4] = weights[static_cast<size_t>(o) * cols + c];
    }
  }
}

}  // namespace sottovoce
