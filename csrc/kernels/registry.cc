#include "kernels/registry.h"

#include <algorithm>
#include <limits>

#include "kernels/gemm.h"
#include "kernels/gemm_q1/gemm_qd8_q1.h"
#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_q8/gemm_qd8_q8.h"

namespace sottovoce {
namespace {

constexpr GemmKernel<MatrixQ2> kGemmQ2[] = {
#define SV_GEMM_KERNEL(isa, max_rows, max_cols, function) {#function, Isa::isa, max_rows, max_cols, &function},
#include "kernels/gemm_q2/kernels.inc"
#undef SV_GEMM_KERNEL
};

constexpr GemmKernel<MatrixQ8> kGemmQ8[] = {
#define SV_GEMM_KERNEL(isa, max_rows, max_cols, function) {#function, Isa::isa, max_rows, max_cols, &function},
#include "kernels/gemm_q8/kernels.inc"
#undef SV_GEMM_KERNEL
};

constexpr GemmKernel<MatrixQ1> kGemmQ1[] = {
#define SV_GEMM_KERNEL(isa, max_rows, max_cols, bits, needs, function) \
  {#function, Isa::isa, max_rows, max_cols, &function, bits, Extension::needs},
#include "kernels/gemm_q1/kernels.inc"
#undef SV_GEMM_KERNEL
};

template <typename Matrix>
const GemmKernel<Matrix>* Select(KernelTable<GemmKernel<Matrix>> table, Isa isa, int rows, int cols, int bits = 8) {
  const GemmKernel<Matrix>* best = nullptr;
  for (const GemmKernel<Matrix>& kernel : table) {
    if (kernel.isa != isa || kernel.max_cols < cols || kernel.bits < bits || !CpuHas(kernel.needs)) continue;
    if (best == nullptr || kernel.bits < best->bits) {
      best = &kernel;
    } else if (kernel.bits > best->bits) {
      continue;
    } else if (best->max_rows < rows) {
      if (kernel.max_rows > best->max_rows) best = &kernel;
    } else if (kernel.max_rows >= rows && kernel.max_rows < best->max_rows) {
      best = &kernel;
    }
  }
  return best;
}

template <typename Matrix>
void Run(KernelTable<GemmKernel<Matrix>> table, const QuantizedRows& a, const Matrix& w, const float* bias, float* y,
         size_t y_stride) {
  const bool wanted = a.cols == w.cols && w.cols <= kMaxGemmCols;
  for (int row = 0; row < a.rows && w.rows > 0;) {
    const GemmKernel<Matrix>* kernel = wanted ? Select(table, ActiveIsa(), a.rows - row, a.cols, a.bits) : nullptr;
    float* out = y + static_cast<size_t>(row) * y_stride;
    if (kernel == nullptr) {
      std::fill(out, out + w.rows, std::numeric_limits<float>::quiet_NaN());
      ++row;
      continue;
    }
    QuantizedRows tile = a;
    tile.data += static_cast<size_t>(row) * a.stride;
    tile.scale += row;
    tile.sum += row;
    // Tiles of equal height: 10 rows are 5 + 5, not 9 + 1.
    const int left = a.rows - row;
    const int tiles = (left + kernel->max_rows - 1) / kernel->max_rows;
    tile.rows = (left + tiles - 1) / tiles;
    kernel->run(tile, w, bias, out, y_stride);
    row += tile.rows;
  }
}

}  // namespace

bool CpuHas(Extension extension) {
#if defined(SV_ARCH_X86)
  static const bool vbmi = __builtin_cpu_supports("avx512vbmi");
  return extension == Extension::kNothing || vbmi;
#else
  return extension == Extension::kNothing;
#endif
}

KernelTable<GemmKernel<MatrixQ2>> GemmQ2Kernels() {
  return {std::begin(kGemmQ2), std::end(kGemmQ2)};
}
KernelTable<GemmKernel<MatrixQ8>> GemmQ8Kernels() {
  return {std::begin(kGemmQ8), std::end(kGemmQ8)};
}
KernelTable<GemmKernel<MatrixQ1>> GemmQ1Kernels() {
  return {std::begin(kGemmQ1), std::end(kGemmQ1)};
}

const GemmKernel<MatrixQ2>* SelectGemmQ2(Isa isa, int rows, int cols) {
  return Select(GemmQ2Kernels(), isa, rows, cols);
}
const GemmKernel<MatrixQ8>* SelectGemmQ8(Isa isa, int rows, int cols) {
  return Select(GemmQ8Kernels(), isa, rows, cols);
}
const GemmKernel<MatrixQ1>* SelectGemmQ1(Isa isa, int rows, int cols, int bits) {
  return Select(GemmQ1Kernels(), isa, rows, cols, bits);
}

void GemmQd8Q2(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y, size_t y_stride) {
  Run(GemmQ2Kernels(), a, w, bias, y, y_stride);
}

void GemmQd8Q1(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y, size_t y_stride) {
  Run(GemmQ1Kernels(), a, w, bias, y, y_stride);
}

void GemmQd8Q8(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y, size_t y_stride) {
  Run(GemmQ8Kernels(), a, w, bias, y, y_stride);
}

}  // namespace sottovoce
