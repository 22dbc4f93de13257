// Functions of one ISA file of this family. Only C headers here: ISA files include it.
#pragma once

#include <stddef.h>

namespace sottovoce {

struct WeightedSumKernels {
  void (*add)(const float* weights, const float* rows, int count, int cols, float* y);
};

#define SV_WEIGHTED_SUM_KERNELS(isa, table) extern const WeightedSumKernels table;
#include "kernels/weighted_sum/kernels.inc"
#undef SV_WEIGHTED_SUM_KERNELS

}  // namespace sottovoce
