#include "kernels/gemm_f32/gemm_f32.h"

#include <iterator>

#include "kernels/gemm.h"
#include "kernels/vector_kernels.h"

namespace sottovoce {
namespace {

constexpr FamilyRow<GemmF32Kernels> kRows[] = {
#define SV_GEMM_F32_KERNELS(isa, table) {Isa::isa, &table},
#include "kernels/gemm_f32/kernels.inc"
#undef SV_GEMM_F32_KERNELS
};

}  // namespace

FamilyTable<GemmF32Kernels> GemmF32Rows() {
  return {std::begin(kRows), std::end(kRows)};
}

void GemmF32(const float* x, int rows, size_t x_stride, const MatrixF32& w, const float* bias, float* y,
             size_t y_stride) {
  static const GemmF32Kernels& kernels = GemmF32Rows().For(ActiveIsa());
  kernels.gemm(x, rows, x_stride, w.data, w.rows, w.cols, bias, y, y_stride);
}

}  // namespace sottovoce
