#include "kernels/embedding/embedding.h"

namespace sottovoce {
namespace {

void AddQ2(const uint8_t* row, float scale, int cols, float* y) {
  for (int c = 0; c < cols; ++c) y[c] += static_cast<float>((row[c / 4] >> 2 * (c % 4) & 3) - 1) * scale;
}

void AddQ8(const int8_t* row, float scale, int cols, float* y) {
  for (int c = 0; c < cols; ++c) y[c] += static_cast<float>(row[c]) * scale;
}

}  // namespace

const EmbeddingKernels embedding__scalar = {AddQ2, AddQ8};

}  // namespace sottovoce
