// Functions of one ISA file of this family. Only C headers here: ISA files include it.
#pragma once

#include <stddef.h>

namespace sottovoce {

// Lanes of the widest ISA: scratch is laid out for it, so its size does not depend on the CPU.
constexpr int kAttentionMaxLanes = 16;

// Vectors that stand for the distance of two tokens: key j counts as k_j + row, its value as v_j + row, where row is
// table[clip(j - i, +-most) + most] for query i (NEZHA).
struct RelativePositions {
  const float* table;  // (2 most + 1, head_size); null: none
  int most;
};

struct AttentionKernels {
  // As Attention of vector_ops.h; scratch is 64-byte aligned.
  void (*attention)(const float* q, const float* k, const float* v, size_t stride, int tokens, int heads, int head_size,
                    float scale, struct RelativePositions relative, float* y, size_t y_stride, float* scratch);
};

#define SV_ATTENTION_KERNELS(isa, table) extern const AttentionKernels table;
#include "kernels/attention/kernels.inc"
#undef SV_ATTENTION_KERNELS

}  // namespace sottovoce
