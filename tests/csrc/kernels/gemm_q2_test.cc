#include "gemm_test_body.h"

namespace sottovoce {
namespace {

TEST_CASE("q2: every kernel equals the definition for every length") {
  CheckAllLengths(GemmQ2Kernels(), 1);
}
TEST_CASE("q2: every kernel equals the definition for every shape") {
  CheckShapes(GemmQ2Kernels(), 1);
}
TEST_CASE("q2: every kernel stands the largest sums") {
  CheckExtremes(GemmQ2Kernels(), 1);
}
TEST_CASE("q2: the product takes any number of rows") {
  CheckProduct<MatrixQ2>(GemmQd8Q2, 1);
}
TEST_CASE("q2: operands that do not fit give NaN") {
  CheckMisuse<MatrixQ2>(GemmQd8Q2);
}
TEST_CASE("q2: every ISA has a kernel for every size") {
  CheckSelection(SelectGemmQ2);
}

}  // namespace
}  // namespace sottovoce
