#include <doctest/doctest.h>

#include <cmath>

#include "kernels/gemm.h"
#include "kernels/guarded_buffer.h"
#include "kernels/vector_kernels.h"

namespace sottovoce {
namespace {

struct Case {
  int rows, outputs, depth;
  bool bias;
};

// Worst |error| / (depth * 2^-24 * (sum |x w| + |bias|)) of the product against float64: at most 1 for any order of
// sums, with or without FMA, up to the two roundings that the bias and the store add.
double RunCase(const GemmF32Kernels& kernels, const Case& c, bool* intact, bool* same_alone) {
  const size_t depth = static_cast<size_t>(c.depth), outputs = static_cast<size_t>(c.outputs),
               rows = static_cast<size_t>(c.rows), x_stride = depth + depth % 4, y_stride = outputs + rows % 3;
  const std::vector<float> x = NormalFloats(rows * x_stride + 1, 1.0f, 1),
                           w = NormalFloats(outputs * depth + 1, 1.0f, 2), bias = NormalFloats(outputs, 1.0f, 3);
  const float* added = c.bias ? bias.data() : nullptr;
  GuardedBuffer<float> xs(rows * x_stride, depth % 3), ws(outputs * depth, depth % 5), y(rows * y_stride, rows % 3);
  xs.Fill(x);
  ws.Fill(w);
  const float untouched = 12345.0f;
  for (size_t i = 0; i < y.size(); ++i) y[i] = untouched;
  kernels.gemm(xs.data(), c.rows, x_stride, ws.data(), c.outputs, c.depth, added, y.data(), y_stride);
  *intact &= xs.Intact() && ws.Intact() && y.Intact();
  double worst = 0.0;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t o = 0; o < outputs; ++o) {
      double sum = c.bias ? static_cast<double>(bias[o]) : 0.0, magnitude = std::fabs(sum);
      for (size_t k = 0; k < depth; ++k) {
        const double product = static_cast<double>(x[r * x_stride + k]) * static_cast<double>(w[o * depth + k]);
        sum += product;
        magnitude += std::fabs(product);
      }
      const double bound = (static_cast<double>(c.depth) + 2.0) * std::ldexp(magnitude, -24);
      const double error = std::fabs(static_cast<double>(y[r * y_stride + o]) - sum);
      worst = std::isnan(error) ? 9.0 : std::fmax(worst, bound > 0.0 ? error / bound : error);
      float alone = 0.0f;
      kernels.gemm(xs.data() + r * x_stride, 1, x_stride, ws.data() + o * depth, 1, c.depth,
                   added != nullptr ? added + o : nullptr, &alone, 1);
      *same_alone &= SameBits(&alone, &y[r * y_stride + o], 1);
    }
    for (size_t o = outputs; o < y_stride; ++o) *intact &= y[r * y_stride + o] == untouched;
  }
  return worst;
}

TEST_CASE("every element is within the bound, and the same bits however many rows and outputs go together") {
  for (const auto& row : GemmF32Rows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    double worst = 0.0;
    bool intact = true, same = true;
    for (int depth = 0; depth <= 300; ++depth) {
      worst = std::fmax(worst, RunCase(*row.kernels, {depth % 6, depth % 14, depth, depth % 2 == 0}, &intact, &same));
    }
    for (int rows = 0; rows <= 17; ++rows) {
      for (int outputs : {1, 3, 4, 5, 8, 11, 16, 21}) {
        worst = std::fmax(worst, RunCase(*row.kernels, {rows, outputs, 37, rows % 2 == 0}, &intact, &same));
      }
    }
    worst = std::fmax(worst, RunCase(*row.kernels, {4, 9, 1054, true}, &intact, &same));
    CHECK(worst <= 1.0);
    CHECK(intact);
    CHECK(same);
  }
}

TEST_CASE("GemmF32 multiplies by the transposed weights and adds the bias") {
  const float x[] = {1.0f, 2.0f, 3.0f, -1.0f, 0.5f, 4.0f};
  const float w[] = {1.0f, 0.0f, -1.0f, 2.0f, 2.0f, 2.0f};
  const float bias[] = {10.0f, -1.0f};
  float y[4] = {};
  GemmF32(x, 2, 3, MatrixF32{w, 2, 3}, bias, y, 2);
  CHECK(y[0] == 8.0f);
  CHECK(y[1] == 11.0f);
  CHECK(y[2] == 5.0f);
  CHECK(y[3] == 6.0f);
}

}  // namespace
}  // namespace sottovoce
