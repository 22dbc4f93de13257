// Functions of one ISA file of this family. Only C headers here: ISA files include it. Products and sums are rounded
// separately everywhere, so all ISAs are bit-equal.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sottovoce {

struct EmbeddingKernels {
  void (*add_q1)(const uint8_t* row, float scale, int cols, float* y);  // y[c] += bit ? scale : -scale
  void (*add_q2)(const uint8_t* row, float scale, int cols, float* y);  // y[c] += (code - 1) * scale
  void (*add_q8)(const int8_t* row, float scale, int cols, float* y);   // y[c] += row[c] * scale
};

#define SV_EMBEDDING_KERNELS(isa, table) extern const EmbeddingKernels table;
#include "kernels/embedding/kernels.inc"
#undef SV_EMBEDDING_KERNELS

}  // namespace sottovoce
