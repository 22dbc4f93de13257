// The tests that every integer product family runs over its rows of kernels.inc.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <set>
#include <string>

#include "gemm_case.h"
#include "kernels/registry.h"

namespace sottovoce {

// Runs one kernel on one case, without and with bias, against the definition of the product.
template <typename Matrix>
void CheckKernel(const GemmKernel<Matrix>& kernel, const GemmCase<Matrix>& test, size_t y_stride) {
  for (bool with_bias : {false, true}) {
    OutputRows y(test.a.rows, test.w.rows, y_stride);
    kernel.run(test.a, test.w, with_bias ? test.bias.data() : nullptr, y.data(), y.stride());
    int wrong = 0;
    for (int r = 0; r < test.a.rows; ++r) {
      for (int o = 0; o < test.w.rows; ++o) wrong += !SameBits(y.at(r, o), test.Expected(r, o, with_bias));
    }
    INFO(kernel.name << " rows " << test.a.rows << " outputs " << test.w.rows << " cols " << test.a.cols << " bias "
                     << with_bias);
    CHECK(wrong == 0);
    CHECK(y.CanariesAlive());
  }
}

// Every length 0..300, outputs and rows walking through their ranges with co-prime steps, odd strides.
template <typename Matrix>
void CheckAllLengths(KernelTable<GemmKernel<Matrix>> kernels, int weight_limit) {
  std::set<std::string> ran;
  for (const GemmKernel<Matrix>& kernel : kernels) {
    if (!kernel.usable()) continue;
    ran.insert(IsaName(kernel.isa));
    for (int cols = 0; cols <= 300; ++cols) {
      const int rows = 1 + cols * 7 % kernel.max_rows;
      const int outputs = 1 + cols * 11 % 37;
      const GemmCase<Matrix> test(rows, outputs, cols, weight_limit, Values::kRandom, Values::kRandom, cols,
                                  kernel.bits);
      CheckKernel(kernel, test, static_cast<size_t>(outputs) + cols % 5);
    }
  }
  std::string names;
  for (const std::string& name : ran) names += " " + name;
  std::printf("ISAs run:%s\n", names.c_str());
}

// Every number of rows with every residue of outputs mod 16, and shapes of real models.
template <typename Matrix>
void CheckShapes(KernelTable<GemmKernel<Matrix>> kernels, int weight_limit) {
  constexpr int kShapes[][2] = {{27, 312},  {1, 1200}, {0, 64},    {97, 276},
                                {40, 1054}, {33, 564}, {16, 2048}, {16, 4096}};
  for (const GemmKernel<Matrix>& kernel : kernels) {
    if (!kernel.usable()) continue;
    for (int rows = 1; rows <= kernel.max_rows; ++rows) {
      for (int outputs = 0; outputs <= 33; outputs += 1 + rows % 2) {
        const int cols = 1 + (rows * 13 + outputs * 5) % 47;
        const GemmCase<Matrix> test(rows, outputs, cols, weight_limit, Values::kRandom, Values::kRandom, cols,
                                    kernel.bits);
        CheckKernel(kernel, test, static_cast<size_t>(outputs) + 1 + outputs % 3);
      }
    }
    for (const int* shape : kShapes) {
      if (shape[1] > kernel.max_cols) continue;
      const GemmCase<Matrix> test(kernel.max_rows, shape[0], shape[1], weight_limit, Values::kRandom, Values::kRandom,
                                  7, kernel.bits);
      CheckKernel(kernel, test, static_cast<size_t>(shape[0]) + 3);
    }
  }
}

// Sums as large as they get: narrow partial sums must neither saturate nor wrap.
template <typename Matrix>
void CheckExtremes(KernelTable<GemmKernel<Matrix>> kernels, int weight_limit) {
  constexpr Values kValues[] = {Values::kAllPositive, Values::kAllNegative, Values::kAlternating};
  for (const GemmKernel<Matrix>& kernel : kernels) {
    if (!kernel.usable()) continue;
    for (Values activations : kValues) {
      for (Values weights : kValues) {
        for (int cols : {1, 255, 256, 257, 312, 1200, 4095}) {
          if (cols > kernel.max_cols) continue;
          const GemmCase<Matrix> test(kernel.max_rows, 17, cols, weight_limit, activations, weights, 3, kernel.bits);
          CheckKernel(kernel, test, 17);
        }
      }
    }
    const GemmCase<Matrix> longest(1, 1, kernel.max_cols, weight_limit, Values::kAllNegative, Values::kAllPositive, 3,
                                   kernel.bits);
    CheckKernel(kernel, longest, 1);
  }
}

// The public product: any number of rows, each as if it were alone.
template <typename Matrix, typename Gemm>
void CheckProduct(Gemm gemm, int weight_limit) {
  for (int rows : {0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 21, 33, 50}) {
    const GemmCase<Matrix> test(rows, 27, 100, weight_limit, Values::kRandom, Values::kRandom, 11);
    OutputRows y(rows, 27, 31);
    gemm(test.a, test.w, test.bias.data(), y.data(), y.stride());
    int wrong = 0;
    for (int r = 0; r < rows; ++r) {
      for (int o = 0; o < 27; ++o) wrong += !SameBits(y.at(r, o), test.Expected(r, o, true));
    }
    CHECK(wrong == 0);
    CHECK(y.CanariesAlive());
  }
  const GemmCase<Matrix> wide(17, 3, 5000, weight_limit, Values::kRandom, Values::kRandom, 5);
  OutputRows y(17, 3, 3);
  gemm(wide.a, wide.w, nullptr, y.data(), y.stride());
  for (int r = 0; r < 17; ++r) CHECK(SameBits(y.at(r, 2), wide.Expected(r, 2, false)));
}

// Operands that do not fit together give NaN, never a silent wrong number or a stray read.
template <typename Matrix, typename Gemm>
void CheckMisuse(Gemm gemm) {
  GemmCase<Matrix> test(2, 5, 64, 1, Values::kRandom, Values::kRandom, 1);
  for (int wrong_cols : {63, kMaxGemmCols + 1}) {
    test.w.cols = wrong_cols;
    if (wrong_cols > kMaxGemmCols) test.a.cols = wrong_cols;
    OutputRows y(2, 5, 6);
    gemm(test.a, test.w, test.bias.data(), y.data(), y.stride());
    for (int r = 0; r < 2; ++r) {
      for (int o = 0; o < 5; ++o) CHECK(y.at(r, o) != y.at(r, o));
    }
    CHECK(y.CanariesAlive());
  }
}

// Every ISA that the CPU has offers a kernel for every size.
template <typename Select>
void CheckSelection(Select select) {
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512Vnni, Isa::kNeon, Isa::kNeonDot}) {
    if (!CpuSupports(isa)) continue;
    for (int rows : {1, 4, 5, 16, 100}) {
      for (int cols : {0, 1, 4096, 4097, kMaxGemmCols}) {
        const auto* kernel = select(isa, rows, cols);
        REQUIRE(kernel != nullptr);
        CHECK(kernel->isa == isa);
        CHECK(kernel->max_cols >= cols);
      }
    }
    CHECK(select(isa, 1, kMaxGemmCols + 1) == nullptr);
  }
}

}  // namespace sottovoce
