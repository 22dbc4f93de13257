#include "kernels/elementwise/elementwise.h"

#include <iterator>

#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

constexpr FamilyRow<ElementwiseKernels> kRows[] = {
#define SV_ELEMENTWISE_KERNELS(isa, table) {Isa::isa, &table},
#include "kernels/elementwise/kernels.inc"
#undef SV_ELEMENTWISE_KERNELS
};

const ElementwiseKernels& Active() {
  static const ElementwiseKernels& kernels = ElementwiseRows().For(ActiveIsa());
  return kernels;
}

}  // namespace

FamilyTable<ElementwiseKernels> ElementwiseRows() {
  return {std::begin(kRows), std::end(kRows)};
}

void Gelu(const float* x, size_t n, float* y) {
  Active().gelu(x, n, y);
}
void Relu(const float* x, size_t n, float* y) {
  Active().relu(x, n, y);
}
void Tanh(const float* x, size_t n, float* y) {
  Active().tanh(x, n, y);
}

}  // namespace sottovoce
