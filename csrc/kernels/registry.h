// The kernels of this build: one entry for each row of a family's kernels.inc, and the choice among them.
#pragma once

#include "base/cpu_features.h"
#include "kernels/matrix.h"

namespace sottovoce {

// What a kernel may need beyond its tier.
enum class Extension { kNothing, kVbmi };
bool CpuHas(Extension extension);

// One integer product kernel. `run` takes 1..max_rows rows of at most max_cols columns and any number of outputs.
template <typename Matrix>
struct GemmKernel {
  const char* name;
  Isa isa;
  int max_rows;
  int max_cols;
  void (*run)(const QuantizedRows& a, const Matrix& w, const float* bias, float* y, size_t y_stride);
  int bits = 8;  // the widest activations
  Extension needs = Extension::kNothing;

  bool usable() const { return CpuSupports(isa) && CpuHas(needs); }
};

template <typename Kernel>
struct KernelTable {
  const Kernel* first;
  const Kernel* last;
  const Kernel* begin() const { return first; }
  const Kernel* end() const { return last; }
};

// Every kernel of this architecture, whether or not this CPU can run it (ask CpuSupports).
KernelTable<GemmKernel<MatrixQ2>> GemmQ2Kernels();
KernelTable<GemmKernel<MatrixQ8>> GemmQ8Kernels();
KernelTable<GemmKernel<MatrixQ1>> GemmQ1Kernels();

// The kernel of `isa` for the next tile when `rows` are left: of those for the fewest bits that suffice, the smallest
// that takes all rows, else the largest. null only when the build has no kernel of `isa` for `cols`.
const GemmKernel<MatrixQ2>* SelectGemmQ2(Isa isa, int rows, int cols);
const GemmKernel<MatrixQ8>* SelectGemmQ8(Isa isa, int rows, int cols);
const GemmKernel<MatrixQ1>* SelectGemmQ1(Isa isa, int rows, int cols, int bits = 8);

}  // namespace sottovoce
