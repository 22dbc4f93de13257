// Layout "q2p16x4" of matrix.h.
#include <cstring>

#include "kernels/gemm.h"

namespace sottovoce {

size_t PackedBytesQ2(int rows, int cols) {
  return (static_cast<size_t>(rows) + 15) / 16 * ((static_cast<size_t>(cols) + 15) / 16) * 64;
}

void PackQ2(const int8_t* weights, int rows, int cols, uint8_t* panels) {
  const size_t blocks = (static_cast<size_t>(cols) + 15) / 16;
  std::memset(panels, 0x55, PackedBytesQ2(rows, cols));  // code 1 everywhere: weight 0
  for (int o = 0; o < rows; ++o) {
    uint8_t* lane = panels + static_cast<size_t>(o / 16) * blocks * 64 + o % 16 * 4;
    for (int c = 0; c < cols; ++c) {
      const unsigned shift = 2 * static_cast<unsigned>(c % 16 / 4);
      uint8_t& byte = lane[static_cast<size_t>(c / 16) * 64 + c % 4];
      const int code = weights[static_cast<size_t>(o) * cols + c] + 1;
      byte = static_cast<uint8_t>((byte & ~(3u << shift)) | (static_cast<unsigned>(code & 3) << shift));
    }
  }
}

}  // namespace sottovoce
