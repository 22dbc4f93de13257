#include "kernels/weighted_sum/weighted_sum.h"

#include <iterator>

#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

constexpr FamilyRow<WeightedSumKernels> kRows[] = {
#define SV_WEIGHTED_SUM_KERNELS(isa, table) {Isa::isa, &table},
#include "kernels/weighted_sum/kernels.inc"
#undef SV_WEIGHTED_SUM_KERNELS
};

}  // namespace

FamilyTable<WeightedSumKernels> WeightedSumRows() {
  return {std::begin(kRows), std::end(kRows)};
}

void AddWeightedRows(const float* weights, const float* rows, int count, int cols, float* y) {
  static const WeightedSumKernels& kernels = WeightedSumRows().For(ActiveIsa());
  kernels.add(weights, rows, count, cols, y);
}

}  // namespace sottovoce
