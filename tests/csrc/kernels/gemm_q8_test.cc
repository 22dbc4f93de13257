#include "gemm_test_body.h"

namespace sottovoce {
namespace {

TEST_CASE("q8: every kernel equals the definition for every length") {
  CheckAllLengths(GemmQ8Kernels(), 127);
}
TEST_CASE("q8: every kernel equals the definition for every shape") {
  CheckShapes(GemmQ8Kernels(), 127);
}
TEST_CASE("q8: every kernel stands the largest sums") {
  CheckExtremes(GemmQ8Kernels(), 127);
}
TEST_CASE("q8: the product takes any number of rows") {
  CheckProduct<MatrixQ8>(GemmQd8Q8, 127);
}
TEST_CASE("q8: operands that do not fit give NaN") {
  CheckMisuse<MatrixQ8>(GemmQd8Q8);
}
TEST_CASE("q8: every ISA has a kernel for every size") {
  CheckSelection(SelectGemmQ8);
}

}  // namespace
}  // namespace sottovoce
