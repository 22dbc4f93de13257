#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/guarded_buffer.h"
#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Worst |error| / max(1, |y|) of one row against float64.
double LayerNormError(const std::vector<float>& x, const float* residual, const std::vector<float>& weight,
                      const std::vector<float>& bias, double epsilon, const float* y) {
  const double count = static_cast<double>(x.size());
  std::vector<double> value(x.size());
  double mean = 0.0, variance = 0.0, worst = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    // The float sum is the operation's input: adding the residual rounds once.
    value[i] = residual != nullptr ? static_cast<double>(x[i] + residual[i]) : static_cast<double>(x[i]);
    mean += value[i] / count;
  }
  for (double v : value) variance += (v - mean) * (v - mean) / count;
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = (value[i] - mean) / std::sqrt(variance + epsilon) * static_cast<double>(weight[i]) +
                        static_cast<double>(bias[i]);
    const double error = std::fabs(static_cast<double>(y[i]) - want) / std::fmax(1.0, std::fabs(want));
    worst = std::isnan(error) ? 1.0 : std::fmax(worst, error);
  }
  return worst;
}

TEST_CASE("layer norm is within 1e-5 of float64 at every length, in place too, with large means") {
  for (const auto& row : NormalizeRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    double worst = 0.0;
    bool intact = true, in_place = true;
    for (size_t cols = 0; cols <= 300; ++cols) {
      const std::vector<float> residual = NormalFloats(cols, 1.0f, 2), weight = NormalFloats(cols, 1.0f, 3),
                               bias = NormalFloats(cols, 1.0f, 4);
      for (float mean : {0.0f, 3.0f, -1000.0f}) {
        std::vector<float> x = NormalFloats(cols, 1.0f, static_cast<unsigned>(cols));
        for (float& value : x) value += mean;
        for (const float* added : {static_cast<const float*>(nullptr), residual.data()}) {
          GuardedBuffer<float> y(cols, cols % 3), same(cols, cols % 5);
          const int width = static_cast<int>(cols);
          float largest = 0.0f;
          row.kernels->layer_norm(x.data(), added, weight.data(), bias.data(), 1e-5f, 1, width, y.data(), &largest);
          worst = std::fmax(worst, LayerNormError(x, added, weight, bias, 1e-5, y.data()));
          same.Fill(x);
          row.kernels->layer_norm(same.data(), added, weight.data(), bias.data(), 1e-5f, 1, width, same.data(),
                                  &largest);
          in_place &= SameBits(y.data(), same.data(), cols);
          intact &= y.Intact() && same.Intact();
        }
      }
    }
    CHECK(worst <= 1e-5);
    CHECK(intact);
    CHECK(in_place);
    MESSAGE(isa << " layer norm: worst error / max(1, |y|) " << worst);
  }
}

TEST_CASE("layer norm gives the largest magnitude, and the same bits for rows together and alone") {
  for (const auto& row : NormalizeRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    bool equal = true, same = true, intact = true;
    for (size_t cols = 0; cols <= 300; ++cols) {
      const size_t rows = 1 + cols % 5;
      const int width = static_cast<int>(cols);
      const std::vector<float> x = NormalFloats(rows * cols, 2.0f, 5), weight = NormalFloats(cols, 1.0f, 6),
                               bias = NormalFloats(cols, 1.0f, 7);
      GuardedBuffer<float> y(rows * cols, cols % 3), largest(rows);
      row.kernels->layer_norm(x.data(), nullptr, weight.data(), bias.data(), 1e-12f, static_cast<int>(rows), width,
                              y.data(), largest.data());
      intact &= y.Intact() && largest.Intact();
      for (size_t r = 0; r < rows; ++r) {
        float want = 0.0f, alone_largest = 0.0f;
        for (size_t c = 0; c < cols; ++c) want = std::max(want, std::fabs(y[r * cols + c]));
        equal &= largest[r] == want;
        std::vector<float> alone(cols);
        row.kernels->layer_norm(x.data() + r * cols, nullptr, weight.data(), bias.data(), 1e-12f, 1, width,
                                alone.data(), &alone_largest);
        same &= SameBits(alone.data(), y.data() + r * cols, cols) && alone_largest == largest[r];
      }
    }
    CHECK(equal);
    CHECK(same);
    CHECK(intact);
  }
}

TEST_CASE("a constant row becomes the bias") {
  const std::vector<float> x(37, 0.1f), weight(37, 2.0f), bias = NormalFloats(37, 1.0f, 8);
  for (const auto& row : NormalizeRows()) {
    if (!CpuSupports(row.isa)) continue;
    std::vector<float> y(37);
    float largest = 0.0f;
    row.kernels->layer_norm(x.data(), nullptr, weight.data(), bias.data(), 1e-12f, 1, 37, y.data(), &largest);
    for (size_t i = 0; i < y.size(); ++i) CHECK(std::fabs(y[i] - bias[i]) < 1e-5f);
  }
}

TEST_CASE("softmax is within 1e-6 relative of float64 at every length") {
  for (const auto& row : NormalizeRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    double worst = 0.0;
    bool intact = true;
    for (size_t cols = 0; cols <= 300; ++cols) {
      for (float deviation : {0.1f, 4.0f, 30.0f}) {
        std::vector<float> x = NormalFloats(cols, deviation, static_cast<unsigned>(cols));
        for (size_t i = 0; i + 1 < cols; i += 5) x[i] = -kInfinity;
        GuardedBuffer<float> y(cols, cols % 7);
        y.Fill(x);
        row.kernels->softmax(y.data(), static_cast<int>(cols));
        intact &= y.Intact();
        double largest = -1e300, sum = 0.0;
        for (float value : x) largest = std::max(largest, static_cast<double>(value));
        for (float value : x) sum += std::exp(static_cast<double>(value) - largest);
        for (size_t i = 0; i < cols; ++i) {
          const double want = std::exp(static_cast<double>(x[i]) - largest) / sum;
          // The subtraction x - max rounds to 2^-24 of its size before exp; results near float's least are flushed.
          const double bound = 1e-6 + 6e-8 * std::fmin(largest - static_cast<double>(x[i]), 90.0);
          const double error = std::fabs(static_cast<double>(y[i]) - want) - 2e-38;
          worst = std::fmax(worst, std::isnan(error) ? 9.0 : error / (bound * std::fmax(want, 1e-38)));
        }
      }
    }
    CHECK(worst <= 1.0);
    CHECK(intact);
  }
}

TEST_CASE("softmax extremes: huge values, all -infinity, NaN, infinity") {
  for (const auto& row : NormalizeRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    for (int cols : {1, 3, 16, 21}) {
      std::vector<float> x(static_cast<size_t>(cols), -kInfinity);
      row.kernels->softmax(x.data(), cols);
      for (float value : x) CHECK(value == 0.0f);
      std::fill(x.begin(), x.end(), -3e38f);
      x.back() = 3e38f;
      row.kernels->softmax(x.data(), cols);
      CHECK(x.back() == 1.0f);
      CHECK((cols == 1 || x.front() == 0.0f));
      for (float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
        for (size_t at : {static_cast<size_t>(0), x.size() / 2, x.size() - 1}) {
          std::fill(x.begin(), x.end(), 0.5f);
          x[at] = bad;
          row.kernels->softmax(x.data(), cols);
          for (float value : x) CHECK(std::isnan(value));
        }
      }
    }
  }
}

TEST_CASE("rows are independent and strides are kept") {
  const int rows = 4, cols = 19;
  const size_t stride = 23;
  const std::vector<float> x = NormalFloats(rows * stride, 2.0f, 9);
  std::vector<float> together = x;
  Softmax(together.data(), rows, cols, stride);
  for (size_t r = 0; r < rows; ++r) {
    std::vector<float> alone(x.begin() + static_cast<ptrdiff_t>(r * stride),
                             x.begin() + static_cast<ptrdiff_t>((r + 1) * stride));
    Softmax(alone.data(), 1, cols, stride);
    CHECK(SameBits(alone.data(), together.data() + r * stride, stride));
  }
  const std::vector<float> weight = NormalFloats(cols, 1.0f, 1), bias = NormalFloats(cols, 1.0f, 2);
  std::vector<float> y(rows * cols), one(cols);
  LayerNorm(x.data(), nullptr, weight.data(), bias.data(), 1e-12f, rows, cols, y.data());
  for (size_t r = 0; r < rows; ++r) {
    LayerNorm(x.data() + r * cols, nullptr, weight.data(), bias.data(), 1e-12f, 1, cols, one.data());
    CHECK(SameBits(one.data(), y.data() + r * cols, cols));
  }
}

}  // namespace
}  // namespace sottovoce
