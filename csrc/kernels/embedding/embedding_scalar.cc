#include "kernels/embedding/embedding.h"

namespace sottovoce {
namespace {

void AddQ1(const uint8_t* row, float scale, int cols, float* y) {
  for (int c = 0; c < cols; ++c) y[c] += (row[c / 8] >> c % 8 & 1) != 0 ? scale : -scale;
}

void AddQ2(const uint8_t* row, float scale, int cols, float* y) {
  for (int c = 0; c < cols; ++c) y[c] += static_cast<float>((row[c / 4] >> 2 * (c % 4) & 3) - 1) * scale;
}

void AddQ8(const int8_t* row, float scale, int cols, float* y) {
  for (int c = 0; c < cols; ++c) y[c] += static_cast<float>(row[c]) * scale;
}

}  // namespace

const EmbeddingKernels embedding__scalar = {AddQ1, AddQ2, AddQ8};

}  // namespace sottovoce
