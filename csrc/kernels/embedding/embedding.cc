#include "kernels/embedding/embedding.h"

#include <cstring>
#include <iterator>

#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

constexpr FamilyRow<EmbeddingKernels> kRows[] = {
#define SV_EMBEDDING_KERNELS(isa, table) {Isa::isa, &table},
#include "kernels/embedding/kernels.inc"
#undef SV_EMBEDDING_KERNELS
};

const EmbeddingKernels& Active() {
  static const EmbeddingKernels& kernels = EmbeddingRows().For(ActiveIsa());
  return kernels;
}

}  // namespace

FamilyTable<EmbeddingKernels> EmbeddingRows() {
  return {std::begin(kRows), std::end(kRows)};
}

void EmbedQ1(const uint8_t* rows, const float* scale, int row, int cols, float* y) {
  const size_t row_bytes = (static_cast<size_t>(cols) + 7) / 8;
  Active().add_q1(rows + static_cast<size_t>(row) * row_bytes, scale[row], cols, y);
}

void EmbedQ2(const uint8_t* rows, const float* scale, int row, int cols, float* y) {
  const size_t row_bytes = (static_cast<size_t>(cols) + 3) / 4;
  Active().add_q2(rows + static_cast<size_t>(row) * row_bytes, scale[row], cols, y);
}

void EmbedQ8(const int8_t* rows, const float* scale, int row, int cols, float* y) {
  Active().add_q8(rows + static_cast<size_t>(row) * static_cast<size_t>(cols), scale[row], cols, y);
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = half >> 10 & 0x1Fu;
  const uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24, exact in float
    const float magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  const uint32_t bits = sign | wide << 23 | mantissa << 13;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace sottovoce
