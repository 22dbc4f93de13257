#include "kernels/attention/attention.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

constexpr FamilyRow<AttentionKernels> kRows[] = {
#define SV_ATTENTION_KERNELS(isa, table) {Isa::isa, &table},
#include "kernels/attention/kernels.inc"
#undef SV_ATTENTION_KERNELS
};

}  // namespace

FamilyTable<AttentionKernels> AttentionRows() {
  return {std::begin(kRows), std::end(kRows)};
}

// Scores, packed values and transposed queries; the same of the relative positions; room to align to 64 bytes.
size_t AttentionScratch(int tokens, int head_size, int most_relative) {
  const size_t padded =
      (static_cast<size_t>(head_size) + kAttentionMaxLanes - 1) / kAttentionMaxLanes * kAttentionMaxLanes;
  const size_t distances = 2 * static_cast<size_t>(most_relative) + 1;
  const size_t met = 2 * static_cast<size_t>(tokens) + kAttentionMaxLanes;
  const size_t relative = most_relative > 0 ? std::min(distances, met) : 0;
  return (static_cast<size_t>(tokens) + relative) * (kAttentionMaxLanes + padded) + padded * kAttentionMaxLanes + 16;
}

void Attention(const float* q, const float* k, const float* v, size_t stride, int tokens, int heads, int head_size,
               float scale, RelativePositions relative, float* y, size_t y_stride, float* scratch) {
  static const AttentionKernels& kernels = AttentionRows().For(ActiveIsa());
  const size_t misaligned = reinterpret_cast<uintptr_t>(scratch) / sizeof(float) % 16;
  kernels.attention(q, k, v, stride, tokens, heads, head_size, scale, relative, y, y_stride,
                    scratch + (16 - misaligned) % 16);
}

}  // namespace sottovoce
