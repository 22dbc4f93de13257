#include "gemm_test_body.h"

namespace sottovoce {
namespace {

TEST_CASE("q1: every kernel equals the definition for every length") {
  CheckAllLengths(GemmQ1Kernels(), 1);
}
TEST_CASE("q1: every kernel equals the definition for every shape") {
  CheckShapes(GemmQ1Kernels(), 1);
}
TEST_CASE("q1: every kernel stands the largest sums") {
  CheckExtremes(GemmQ1Kernels(), 1);
}
TEST_CASE("q1: the product takes any number of rows") {
  CheckProduct<MatrixQ1>(GemmQd8Q1, 1);
}
TEST_CASE("q1: operands that do not fit give NaN") {
  CheckMisuse<MatrixQ1>(GemmQd8Q1);
}
TEST_CASE("q1: every ISA has a kernel for every size") {
  CheckSelection([](Isa isa, int rows, int cols) { return SelectGemmQ1(isa, rows, cols); });
  CheckSelection([](Isa isa, int rows, int cols) { return SelectGemmQ1(isa, rows, cols, 4); });
}

TEST_CASE("q1: 4-bit activations give the same product by whichever kernel takes them") {
  for (int rows : {1, 3, 8, 9, 16, 21}) {
    for (int cols : {1, 156, 312, 600, 2048, 2049}) {
      const GemmCase<MatrixQ1> test(rows, 27, cols, 1, Values::kRandom, Values::kRandom, 11, 4);
      OutputRows y(rows, 27, 31);
      GemmQd8Q1(test.a, test.w, test.bias.data(), y.data(), y.stride());
      int wrong = 0;
      for (int r = 0; r < rows; ++r) {
        for (int o = 0; o < 27; ++o) wrong += !SameBits(y.at(r, o), test.Expected(r, o, true));
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("q1: the second half is added to the first and the bias") {
  for (const GemmKernel<MatrixQ1>& kernel : GemmQ1Kernels()) {
    if (!kernel.usable()) continue;
    for (int cols : {0, 1, 31, 32, 33, 156, 312, 600}) {
      for (int rows = 1; rows <= kernel.max_rows; ++rows) {
        const int outputs = 1 + (rows * 11 + cols) % 37;
        GemmCase<MatrixQ1> first(rows, outputs, cols, 1, Values::kRandom, Values::kRandom, 1 + cols, kernel.bits);
        const GemmCase<MatrixQ1> second(rows, outputs, cols, 1, Values::kRandom, Values::kRandom, 2 + cols,
                                        kernel.bits);
        first.w.halves = 2;
        first.w.panels[1] = second.w.panels[0];
        first.w.scale[1] = second.w.scale[0];
        OutputRows y(rows, outputs, static_cast<size_t>(outputs) + 3);
        kernel.run(first.a, first.w, first.bias.data(), y.data(), y.stride());
        GemmCase<MatrixQ1> other(rows, outputs, cols, 1, Values::kRandom, Values::kRandom, 1 + cols, kernel.bits);
        other.weights = second.weights;
        for (int o = 0; o < outputs; ++o) other.weight_scales[o] = second.weight_scales[o];
        int wrong = 0;
        for (int r = 0; r < rows; ++r) {
          for (int o = 0; o < outputs; ++o) {
            wrong += !SameBits(y.at(r, o), other.Expected(r, o, false) + first.Expected(r, o, true));
          }
        }
        INFO(kernel.name << " rows " << rows << " outputs " << outputs << " cols " << cols);
        CHECK(wrong == 0);
        CHECK(y.CanariesAlive());
      }
    }
  }
}

}  // namespace
}  // namespace sottovoce
