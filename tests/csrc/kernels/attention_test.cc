#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "kernels/guarded_buffer.h"
#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

struct Shape {
  int tokens, heads, head_size;
  int most_relative = 0;  // 0: no relative positions
  size_t width() const { return static_cast<size_t>(heads) * static_cast<size_t>(head_size); }
};

std::vector<double> Reference(const Shape& s, const float* q, const float* k, const float* v, size_t stride,
                              double scale, const float* table) {
  const auto position = [&](size_t i, size_t j, size_t d) {
    if (s.most_relative == 0) return 0.0;
    const int most = s.most_relative, distance = static_cast<int>(j) - static_cast<int>(i);
    const size_t row = static_cast<size_t>(std::max(-most, std::min(most, distance)) + most);
    return static_cast<double>(table[row * static_cast<size_t>(s.head_size) + d]);
  };
  const size_t tokens = static_cast<size_t>(s.tokens), size = static_cast<size_t>(s.head_size);
  std::vector<double> y(tokens * s.width()), p(tokens);
  for (size_t h = 0; h < static_cast<size_t>(s.heads); ++h) {
    for (size_t i = 0; i < tokens; ++i) {
      double largest = -1e300, sum = 0.0;
      for (size_t j = 0; j < tokens; ++j) {
        p[j] = 0.0;
        for (size_t d = 0; d < size; ++d) {
          p[j] += static_cast<double>(q[i * stride + h * size + d]) *
                  (static_cast<double>(k[j * stride + h * size + d]) + position(i, j, d));
        }
        p[j] *= scale;
        largest = std::fmax(largest, p[j]);
      }
      for (double& value : p) sum += value = std::exp(value - largest);
      for (size_t j = 0; j < tokens; ++j) {
        for (size_t d = 0; d < size; ++d) {
          y[i * s.width() + h * size + d] +=
              p[j] / sum * (static_cast<double>(v[j * stride + h * size + d]) + position(i, j, d));
        }
      }
    }
  }
  return y;
}

// Worst |error| / max(1, |y|) against float64.
double RunShape(const AttentionKernels& kernels, const Shape& s, float deviation, bool* intact) {
  const size_t tokens = static_cast<size_t>(s.tokens), stride = s.width() + tokens % 3,
               y_stride = s.width() + tokens % 2;
  GuardedBuffer<float> q(tokens * stride, 1), k(tokens * stride, 2), v(tokens * stride, 3), y(tokens * y_stride, 1);
  q.Fill(NormalFloats(q.size(), deviation, 1));
  k.Fill(NormalFloats(k.size(), deviation, 2));
  v.Fill(NormalFloats(v.size(), 1.0f, 3));
  const size_t rows = s.most_relative > 0 ? 2 * static_cast<size_t>(s.most_relative) + 1 : 0;
  GuardedBuffer<float> table(rows * static_cast<size_t>(s.head_size));
  table.Fill(NormalFloats(table.size(), 1.0f, 4));
  GuardedBuffer<float> scratch(AttentionScratch(s.tokens, s.head_size, s.most_relative));
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.head_size));
  kernels.attention(q.data(), k.data(), v.data(), stride, s.tokens, s.heads, s.head_size, scale,
                    {rows > 0 ? table.data() : nullptr, s.most_relative}, y.data(), y_stride, scratch.data());
  *intact &= q.Intact() && k.Intact() && v.Intact() && y.Intact() && scratch.Intact();
  const std::vector<double> want =
      Reference(s, q.data(), k.data(), v.data(), stride, static_cast<double>(scale), table.data());
  double worst = 0.0;
  for (size_t i = 0; i < tokens; ++i) {
    for (size_t c = 0; c < s.width(); ++c) {
      const double expected = want[i * s.width() + c];
      const double error = std::fabs(static_cast<double>(y[i * y_stride + c]) - expected);
      worst = std::isnan(error) ? 9.0 : std::fmax(worst, error / std::fmax(1.0, std::fabs(expected)));
    }
  }
  return worst;
}

TEST_CASE("attention is within 1e-5 of float64 for every length and awkward head sizes") {
  for (const auto& row : AttentionRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    double worst = 0.0;
    bool intact = true;
    const int sizes[] = {1, 16, 23, 26, 27, 32, 44, 64, 80};
    for (int tokens = 0; tokens <= 67; ++tokens) {
      worst = std::fmax(worst, RunShape(*row.kernels, {tokens, 2, sizes[tokens % 9]}, 1.0f, &intact));
    }
    for (int size = 1; size <= 66; ++size) {
      worst = std::fmax(worst, RunShape(*row.kernels, {1 + size % 19, 3, size}, 1.0f, &intact));
    }
    worst = std::fmax(worst, RunShape(*row.kernels, {16, 12, 26}, 1.0f, &intact));
    worst = std::fmax(worst, RunShape(*row.kernels, {150, 1, 27}, 1.0f, &intact));
    worst = std::fmax(worst, RunShape(*row.kernels, {512, 1, 16}, 1.0f, &intact));
    CHECK(worst <= 1e-5);
    CHECK(intact);
    MESSAGE(isa << " attention: worst error / max(1, |y|) " << worst);
    // Scores in the hundreds: nothing overflows; float32 scores themselves carry 1e-5 there.
    CHECK(RunShape(*row.kernels, {33, 2, 26}, 10.0f, &intact) <= 1e-3);
  }
}

TEST_CASE("relative positions act on keys and values, clipped at the farthest distance") {
  for (const auto& row : AttentionRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    double worst = 0.0;
    bool intact = true;
    for (int tokens : {1, 2, 7, 15, 16, 17, 33, 64, 70}) {
      for (int most : {1, 5, 16, 64, 127}) {
        worst = std::fmax(worst, RunShape(*row.kernels, {tokens, 2, 24 + tokens % 5, most}, 0.7f, &intact));
      }
    }
    worst = std::fmax(worst, RunShape(*row.kernels, {300, 1, 64, 64}, 0.7f, &intact));
    CHECK(worst <= 1e-5);
    CHECK(intact);
  }
}

TEST_CASE("a token's result does not depend on its place in the block") {
  for (const auto& row : AttentionRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    for (int tokens : {1, 2, 7, 16, 19, 33}) {
      const Shape s{tokens, 2, 27};
      const size_t count = static_cast<size_t>(tokens), width = s.width();
      std::vector<float> q(count * width), y(count * width), scratch(AttentionScratch(tokens, s.head_size));
      const std::vector<float> one = NormalFloats(width, 1.0f, 4), k = NormalFloats(count * width, 1.0f, 5),
                               v = NormalFloats(count * width, 1.0f, 6);
      for (size_t i = 0; i < count; ++i)
        std::copy(one.begin(), one.end(), q.begin() + static_cast<ptrdiff_t>(i * width));
      row.kernels->attention(q.data(), k.data(), v.data(), width, tokens, s.heads, s.head_size, 0.2f, {}, y.data(),
                             width, scratch.data());
      bool equal = true;
      for (size_t i = 1; i < count; ++i) equal &= SameBits(y.data(), y.data() + i * width, width);
      CHECK(equal);
    }
  }
}

TEST_CASE("Attention takes scratch at any alignment and repeats its bits") {
  const Shape s{16, 12, 26};
  const size_t width = s.width(), count = 16 * width;
  const std::vector<float> q = NormalFloats(count, 1.0f, 1), k = NormalFloats(count, 1.0f, 2),
                           v = NormalFloats(count, 1.0f, 3);
  std::vector<float> first(count), again(count);
  for (size_t offset = 0; offset < 17; ++offset) {
    GuardedBuffer<float> scratch(AttentionScratch(s.tokens, s.head_size), offset);
    Attention(q.data(), k.data(), v.data(), width, s.tokens, s.heads, s.head_size, 0.2f, {}, again.data(), width,
              scratch.data());
    if (offset == 0) first = again;
    CHECK(first == again);
    CHECK(scratch.Intact());
  }
}

}  // namespace
}  // namespace sottovoce
