#include "kernels/normalize/normalize.h"

#include <algorithm>
#include <iterator>

#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

constexpr FamilyRow<NormalizeKernels> kRows[] = {
#define SV_NORMALIZE_KERNELS(isa, table) {Isa::isa, &table},
#include "kernels/normalize/kernels.inc"
#undef SV_NORMALIZE_KERNELS
};

const NormalizeKernels& Active() {
  static const NormalizeKernels& kernels = NormalizeRows().For(ActiveIsa());
  return kernels;
}

}  // namespace

FamilyTable<NormalizeKernels> NormalizeRows() {
  return {std::begin(kRows), std::end(kRows)};
}

void LayerNorm(const float* x, const float* residual, const float* weight, const float* bias, float epsilon, int rows,
               int cols, float* y) {
  const NormalizeKernels& kernels = Active();
  const size_t width = static_cast<size_t>(cols);
  float largest[16];
  for (int row = 0; row < rows; row += 16) {
    const size_t at = static_cast<size_t>(row) * width;
    kernels.layer_norm(x + at, residual != nullptr ? residual + at : nullptr, weight, bias, epsilon,
                       std::min(rows - row, 16), cols, y + at, largest);
  }
}

void Softmax(float* x, int rows, int cols, size_t stride) {
  const NormalizeKernels& kernels = Active();
  for (int row = 0; row < rows; ++row) kernels.softmax(x + static_cast<size_t>(row) * stride, cols);
}

}  // namespace sottovoce
