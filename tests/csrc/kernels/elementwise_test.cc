#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "kernels/guarded_buffer.h"
#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Every sign and exponent including subnormals and infinities, then the range where the functions bend.
const std::vector<float>& Sweep() {
  static const std::vector<float> values = [] {
    std::vector<float> sweep = {0.0f, -0.0f, kInfinity, -kInfinity, 5.5f, -5.5f, 0.625f, -0.625f, 9.1f, -9.1f};
    for (uint64_t bits = 0; bits < (1ull << 32); bits += 16411) {
      const uint32_t word = static_cast<uint32_t>(bits);
      float value;
      std::memcpy(&value, &word, sizeof value);
      if (!std::isnan(value)) sweep.push_back(value);
    }
    for (int i = -80000; i <= 80000; ++i) sweep.push_back(static_cast<float>(i) * 1.0e-4f + 3.1e-6f);
    return sweep;
  }();
  return values;
}

double GeluReference(double x) {
  if (std::isinf(x)) return x > 0 ? x : 0.0;
  return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
}

TEST_CASE("gelu is within 2e-7 max(1, |x|) of float64 over all floats") {
  const std::vector<float>& x = Sweep();
  std::vector<double> want(x.size());
  for (size_t i = 0; i < x.size(); ++i) want[i] = GeluReference(x[i]);
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    std::vector<float> y(x.size());
    row.kernels->gelu(x.data(), x.size(), y.data());
    double worst = 0.0;
    bool finite_as_wanted = true;
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isinf(want[i])) {
        finite_as_wanted &= static_cast<double>(y[i]) == want[i];
        continue;
      }
      finite_as_wanted &= std::isfinite(y[i]);
      const double bound = std::fmax(1.0, std::fmin(std::fabs(static_cast<double>(x[i])), 3.4e38));
      worst = std::fmax(worst, std::fabs(static_cast<double>(y[i]) - want[i]) / bound);
    }
    CHECK(finite_as_wanted);
    CHECK(worst <= 2e-7);
    MESSAGE(isa << " gelu: worst error / max(1, |x|) " << worst);
  }
}

TEST_CASE("tanh is within 3e-7 |tanh x| of float64 over all floats") {
  const std::vector<float>& x = Sweep();
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    std::vector<float> y(x.size());
    row.kernels->tanh(x.data(), x.size(), y.data());
    double worst = 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = std::tanh(static_cast<double>(x[i]));
      // A subnormal result has its own spacing.
      const double error = std::fabs(static_cast<double>(y[i]) - want) - 1.5e-45;
      if (!(error <= 0.0)) worst = std::fmax(worst, std::isnan(error) ? 1.0 : error / std::fabs(want));
    }
    CHECK(worst <= 3e-7);
  }
}

using Unary = void (*)(const float*, size_t, float*);

TEST_CASE("elementwise functions do not depend on length or position and stay inside") {
  constexpr size_t kMost = 300;
  const std::vector<float> x = NormalFloats(kMost, 3.0f, 1);
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    for (Unary function : {row.kernels->gelu, row.kernels->relu, row.kernels->tanh}) {
      std::vector<float> whole(kMost);
      function(x.data(), kMost, whole.data());
      bool equal = true, intact = true;
      for (size_t n = 0; n <= kMost; ++n) {
        const size_t skip = kMost - n;
        GuardedBuffer<float> in(n, n % 5), out(n, n % 3);
        in.Fill(std::vector<float>(x.begin() + static_cast<ptrdiff_t>(skip), x.end()));
        function(in.data(), n, out.data());
        equal &= SameBits(out.data(), whole.data() + skip, n);
        function(in.data(), n, in.data());
        equal &= SameBits(in.data(), whole.data() + skip, n);
        intact &= in.Intact() && out.Intact();
      }
      CHECK(equal);
      CHECK(intact);
    }
  }
}

TEST_CASE("NaN stays NaN, and relu is exact") {
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    for (size_t n : {1u, 7u, 16u, 33u}) {
      for (Unary function : {row.kernels->gelu, row.kernels->relu, row.kernels->tanh}) {
        std::vector<float> x(n, 1.5f), y(n);
        x[n / 2] = kNan;
        function(x.data(), n, y.data());
        CHECK(std::isnan(y[n / 2]));
        CHECK((n == 1 || !std::isnan(y[0])));
      }
    }
    const std::vector<float>& x = Sweep();
    std::vector<float> y(x.size());
    row.kernels->relu(x.data(), x.size(), y.data());
    size_t wrong = 0;
    for (size_t i = 0; i < x.size(); ++i) wrong += y[i] != (x[i] > 0.0f ? x[i] : 0.0f);
    CHECK(wrong == 0);
  }
}

TEST_CASE("max_abs is exact, tells of NaN, and comes along with gelu") {
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    bool equal = true, fused_equal = true, intact = true;
    for (size_t n = 0; n <= 300; ++n) {
      std::vector<float> x = NormalFloats(n, 2.0f, static_cast<unsigned>(n));
      float want = 0.0f;
      for (float value : x) want = std::fmax(want, std::fabs(value));
      GuardedBuffer<float> in(n, n % 3), out(n, n % 5);
      in.Fill(x);
      equal &= row.kernels->max_abs(in.data(), n) == want;
      if (n > 0) {
        in[n * 7 / 11] = kNan;
        equal &= std::isnan(row.kernels->max_abs(in.data(), n));
        in.Fill(x);
        in[n * 3 / 5] = n % 2 == 0 ? kInfinity : -kInfinity;
        equal &= row.kernels->max_abs(in.data(), n) == kInfinity;
        in.Fill(x);
      }
      std::vector<float> gelu(n);
      row.kernels->gelu(in.data(), n, gelu.data());
      const float largest = row.kernels->gelu_max_abs(in.data(), n, out.data());
      fused_equal &= largest == row.kernels->max_abs(gelu.data(), n) && SameBits(gelu.data(), out.data(), n);
      intact &= in.Intact() && out.Intact();
    }
    CHECK(equal);
    CHECK(fused_equal);
    CHECK(intact);
  }
}

TEST_CASE("the calls of vector_ops.h use the active row") {
  const std::vector<float> x = NormalFloats(77, 2.0f, 3);
  std::vector<float> got(x.size()), want(x.size());
  const ElementwiseKernels& kernels = ElementwiseRows().For(ActiveIsa());
  Gelu(x.data(), x.size(), got.data());
  kernels.gelu(x.data(), x.size(), want.data());
  CHECK(got == want);
  Tanh(x.data(), x.size(), got.data());
  kernels.tanh(x.data(), x.size(), want.data());
  CHECK(got == want);
  Relu(x.data(), x.size(), got.data());
  kernels.relu(x.data(), x.size(), want.data());
  CHECK(got == want);
}

}  // namespace
}  // namespace sottovoce
