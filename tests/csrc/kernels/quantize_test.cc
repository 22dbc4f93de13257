#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/elementwise/quantize_rows.h"
#include "kernels/guarded_buffer.h"
#include "kernels/vector_kernels.h"

namespace sottovoce {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Quantized {
  std::vector<int8_t> data;  // (rows, QuantizedStride(cols))
  std::vector<float> scale;
  std::vector<int32_t> sum;
  bool operator==(const Quantized& other) const {
    return data == other.data && sum == other.sum && SameBits(scale.data(), other.scale.data(), scale.size());
  }
};

// torch.round(clamp(x) * (127 / m)).clamp(-127, 127), one element at a time, NaN as 0.
Quantized Reference(const float* x, int rows, int cols, size_t x_stride, float clip, Granularity granularity) {
  const size_t stride = QuantizedStride(cols);
  Quantized q{std::vector<int8_t>(static_cast<size_t>(rows) * stride, 0), std::vector<float>(static_cast<size_t>(rows)),
              std::vector<int32_t>(static_cast<size_t>(rows), 0)};
  const auto value_at = [&](int r, int c) {
    float value = x[static_cast<size_t>(r) * x_stride + static_cast<size_t>(c)];
    if (std::isnan(value)) value = 0.0f;
    return clip > 0.0f ? std::min(std::max(value, -clip), clip) : value;
  };
  std::vector<float> largest(static_cast<size_t>(rows), 0.0f);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) {
      float& m = largest[static_cast<size_t>(r)];
      m = std::max(m, std::fabs(value_at(r, c)));
    }
  }
  if (granularity == Granularity::kPerTensor && rows > 0) {
    std::fill(largest.begin(), largest.end(), *std::max_element(largest.begin(), largest.end()));
  }
  for (int r = 0; r < rows; ++r) {
    const float m = largest[static_cast<size_t>(r)];
    q.scale[static_cast<size_t>(r)] = m / 127.0f;
    if (m == 0.0f) continue;
    const float inverse = 127.0f / m;
    for (int c = 0; c < cols; ++c) {
      const float scaled = std::nearbyintf(value_at(r, c) * inverse);
      const float limited = std::isnan(scaled) ? 0.0f : std::min(std::max(scaled, -127.0f), 127.0f);
      q.data[static_cast<size_t>(r) * stride + static_cast<size_t>(c)] = static_cast<int8_t>(limited);
      q.sum[static_cast<size_t>(r)] += static_cast<int32_t>(limited);
    }
  }
  return q;
}

// Runs one row of the table with canaries round every output; sets *intact to false when one is hurt.
Quantized Run(const ElementwiseKernels& kernels, const float* x, int rows, int cols, size_t x_stride, float clip,
              Granularity granularity, bool* intact) {
  const size_t count = static_cast<size_t>(rows), bytes = count * QuantizedStride(cols);
  GuardedBuffer<int8_t> data(bytes, static_cast<size_t>(cols) % 3);
  GuardedBuffer<float> scale(count);
  GuardedBuffer<int32_t> sum(count);
  QuantizeRowsWith(kernels, x, rows, cols, x_stride, clip, granularity, data.data(), scale.data(), sum.data());
  *intact &= data.Intact() && scale.Intact() && sum.Intact();
  return {std::vector<int8_t>(data.data(), data.data() + bytes), std::vector<float>(scale.data(), scale.data() + count),
          std::vector<int32_t>(sum.data(), sum.data() + count)};
}

TEST_CASE("quantized rows equal the reference at every length, stride, clip and granularity") {
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    bool equal = true, intact = true;
    for (int cols = 0; cols <= 300; ++cols) {
      const int rows = cols % 4;
      const size_t stride = static_cast<size_t>(cols) + static_cast<size_t>(cols % 5);
      const std::vector<float> x =
          NormalFloats(static_cast<size_t>(rows) * stride + 1, std::pow(10.0f, static_cast<float>(cols % 9 - 4)), 7u);
      for (float clip : {0.0f, 0.5f, 2.5f}) {
        for (Granularity granularity : {Granularity::kPerToken, Granularity::kPerTensor}) {
          equal &= Run(*row.kernels, x.data(), rows, cols, stride, clip, granularity, &intact) ==
                   Reference(x.data(), rows, cols, stride, clip, granularity);
        }
      }
    }
    CHECK(equal);
    CHECK(intact);
  }
}

TEST_CASE("ties round to even and nothing else reaches 128") {
  std::vector<float> x;
  for (int i = -254; i <= 254; ++i) x.push_back(static_cast<float>(i) * 0.5f);  // m = 127, so 127 / m = 1
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    bool intact = true;
    const int cols = static_cast<int>(x.size());
    const Quantized q = Run(*row.kernels, x.data(), 1, cols, x.size(), 0.0f, Granularity::kPerToken, &intact);
    CHECK(q == Reference(x.data(), 1, cols, x.size(), 0.0f, Granularity::kPerToken));
    CHECK(q.data[254 + 1] == 0);   // 0.5
    CHECK(q.data[254 + 3] == 2);   // 1.5
    CHECK(q.data[254 - 5] == -2);  // -2.5
    CHECK(q.sum[0] == 0);
    CHECK(intact);
  }
}

TEST_CASE("extremes: tiny, subnormal, huge, infinite and NaN rows are defined and equal everywhere") {
  const float least = std::numeric_limits<float>::denorm_min(), most = std::numeric_limits<float>::max();
  const std::vector<std::vector<float>> rows = {
      {0.0f, -0.0f, 0.0f},         {least, -least, 0.0f},         {1e-38f, -1e-39f, 3e-41f},
      {most, -most, 1.0f, -1e30f}, {kNan, 1.0f, -2.0f},           {kNan, kNan},
      {kInfinity, 1.0f, -3.0f},    {-kInfinity, kInfinity, kNan}, {3.0e-37f, 1e-37f, -2e-37f},
      {1.0f, 1e-20f, -1.0f, 0.5f},
  };
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    for (size_t which = 0; which < rows.size(); ++which) {
      CAPTURE(which);
      for (size_t repeat : {1u, 9u, 40u}) {
        std::vector<float> x;
        for (size_t i = 0; i < repeat; ++i) x.insert(x.end(), rows[which].begin(), rows[which].end());
        for (float clip : {0.0f, 2.5f}) {
          bool intact = true;
          const int cols = static_cast<int>(x.size());
          CHECK(Run(*row.kernels, x.data(), 1, cols, x.size(), clip, Granularity::kPerToken, &intact) ==
                Reference(x.data(), 1, cols, x.size(), clip, Granularity::kPerToken));
          CHECK(intact);
        }
      }
    }
  }
}

// The definition of QuantizeRowsBy in plain float steps, for finite x.
struct By {
  Quantized rows;
  std::vector<float> offset;
};
By ReferenceBy(const ActivationQuantizer& by, const std::vector<float>& x, int rows, int cols) {
  const size_t stride = QuantizedStride(cols), count = static_cast<size_t>(rows);
  By result{{std::vector<int8_t>(count * stride, 0), std::vector<float>(count), std::vector<int32_t>(count)},
            std::vector<float>(count)};
  const auto value_at = [&](int r, int c) {
    const float value = x[static_cast<size_t>(r) * static_cast<size_t>(cols) + static_cast<size_t>(c)];
    return by.low != by.high ? std::min(std::max(value, by.low), by.high) : value;
  };
  const bool shared = by.granularity == Granularity::kPerTensor;
  const float top = static_cast<float>(by.top), levels = by.symmetric ? top : 2.0f * top + 1.0f;
  for (int r = 0; r < rows; ++r) {
    float least = kInfinity, most = -kInfinity;
    for (int other = shared ? 0 : r; other < (shared ? rows : r + 1); ++other) {
      for (int c = 0; c < cols; ++c) {
        least = std::min(least, value_at(other, c));
        most = std::max(most, value_at(other, c));
      }
    }
    const float span = by.symmetric ? std::max(most, -least) : (most - least) + 1e-8f;
    const float scale = by.step > 0.0f ? by.step : span / levels;
    const float inverse = by.step > 0.0f ? 1.0f / by.step : levels / span;
    const float base = by.symmetric ? 0.0f : least, below = by.symmetric ? 0.0f : top + 1.0f;
    const float bottom = !by.symmetric ? 0.0f : by.step > 0.0f ? -top - 1.0f : -top;
    result.rows.scale[static_cast<size_t>(r)] = scale;
    result.offset[static_cast<size_t>(r)] = base + scale * below;
    for (int c = 0; c < cols; ++c) {
      const float code = std::min(std::max(std::nearbyintf((value_at(r, c) - base) * inverse), bottom), levels) - below;
      result.rows.data[static_cast<size_t>(r) * stride + static_cast<size_t>(c)] = static_cast<int8_t>(code);
      result.rows.sum[static_cast<size_t>(r)] += static_cast<int32_t>(code);
    }
  }
  return result;
}

TEST_CASE("learned, 4-bit and asymmetric codes equal the reference at every length") {
  std::vector<ActivationQuantizer> quantizers;
  for (Granularity granularity : {Granularity::kPerToken, Granularity::kPerTensor}) {
    for (int top : {127, 7}) {
      for (bool symmetric : {true, false}) {
        for (int kind = 0; kind < 3; ++kind) {
          ActivationQuantizer by;
          by.granularity = granularity;
          by.top = top;
          by.symmetric = symmetric;
          if (kind == 1) by.low = -0.7f, by.high = 1.9f;
          if (kind == 2) by.step = 0.07f;
          quantizers.push_back(by);
        }
      }
    }
  }
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    bool equal = true, intact = true;
    for (int cols = 1; cols <= 200; cols += cols < 70 ? 1 : 13) {
      const int rows = 1 + cols % 3;
      const size_t count = static_cast<size_t>(rows), bytes = count * QuantizedStride(cols);
      const std::vector<float> x =
          NormalFloats(count * static_cast<size_t>(cols), 1.3f, static_cast<unsigned>(cols) + 5u);
      for (const ActivationQuantizer& by : quantizers) {
        GuardedBuffer<int8_t> data(bytes, static_cast<size_t>(cols) % 3);
        GuardedBuffer<float> scale(count), offset(count);
        GuardedBuffer<int32_t> sum(count);
        QuantizeRowsByWith(*row.kernels, by, x.data(), rows, cols, static_cast<size_t>(cols), data.data(), scale.data(),
                           sum.data(), offset.data());
        intact &= data.Intact() && scale.Intact() && sum.Intact() && offset.Intact();
        const By want = ReferenceBy(by, x, rows, cols);
        equal &= std::equal(want.rows.data.begin(), want.rows.data.end(), data.data());
        equal &= std::equal(want.rows.sum.begin(), want.rows.sum.end(), sum.data());
        equal &= SameBits(want.rows.scale.data(), scale.data(), count);
        equal &= SameBits(want.offset.data(), offset.data(), count);
      }
    }
    CHECK(equal);
    CHECK(intact);
  }
}

TEST_CASE("codes of rows that are not finite are defined and equal everywhere") {
  const float most = std::numeric_limits<float>::max();
  const std::vector<std::vector<float>> rows = {
      {kNan, 1.0f, -2.0f}, {kInfinity, 1.0f, -3.0f}, {most, -most, 1.0f}, {0.0f, 0.0f, 0.0f}, {1e-39f, 0.0f, 2e-39f}};
  for (size_t which = 0; which < rows.size(); ++which) {
    for (bool symmetric : {true, false}) {
      for (float step : {0.0f, 0.25f}) {
        ActivationQuantizer by;
        by.symmetric = symmetric;
        by.step = step;
        std::vector<int8_t> first;
        for (const auto& row : ElementwiseRows()) {
          if (!CpuSupports(row.isa)) continue;
          std::vector<int8_t> data(64);
          float scale, offset;
          int32_t sum;
          QuantizeRowsByWith(*row.kernels, by, rows[which].data(), 1, 3, 3, data.data(), &scale, &sum, &offset);
          if (first.empty()) first = data;
          CHECK(first == data);
          CHECK(sum == data[0] + data[1] + data[2]);
        }
      }
    }
  }
}

TEST_CASE("gelu with quantization equals the two calls") {
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    for (int cols : {1, 15, 16, 17, 63, 64, 300, 1200}) {
      for (Granularity granularity : {Granularity::kPerToken, Granularity::kPerTensor}) {
        for (float clip : {0.0f, 1.5f}) {
          const int rows = 3;
          const size_t stride = static_cast<size_t>(cols) + 3, count = rows * stride;
          std::vector<float> x = NormalFloats(count, 2.0f, static_cast<unsigned>(cols)), y = x;
          for (int r = 0; r < rows; ++r) {
            float* values = y.data() + static_cast<size_t>(r) * stride;
            row.kernels->gelu(values, static_cast<size_t>(cols), values);
          }
          bool intact = true;
          const Quantized want = Run(*row.kernels, y.data(), rows, cols, stride, clip, granularity, &intact);
          Quantized got = want;
          std::fill(got.data.begin(), got.data.end(), static_cast<int8_t>(99));
          GeluQuantizeRowsWith(*row.kernels, x.data(), rows, cols, stride, clip, granularity, got.data.data(),
                               got.scale.data(), got.sum.data());
          CHECK(got == want);
          CHECK(SameBits(x.data(), y.data(), count));
        }
      }
    }
  }
}

TEST_CASE("layer norm with quantization equals the two calls") {
  const NormalizeKernels* normalize = nullptr;
  for (const auto& row : ElementwiseRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    normalize = &NormalizeRows().For(row.isa);
    for (int cols : {1, 15, 16, 17, 64, 300, 312}) {
      for (Granularity granularity : {Granularity::kPerToken, Granularity::kPerTensor}) {
        const int rows = 3;
        const size_t width = static_cast<size_t>(cols), count = rows * width;
        const std::vector<float> x = NormalFloats(count, 2.0f, 1), residual = NormalFloats(count, 1.0f, 2);
        const std::vector<float> weight = NormalFloats(width, 1.0f, 3), bias = NormalFloats(width, 0.5f, 4);
        std::vector<float> y(count), want_y(count);
        float largest[3];
        normalize->layer_norm(x.data(), residual.data(), weight.data(), bias.data(), 1e-12f, rows, cols, want_y.data(),
                              largest);
        bool intact = true;
        const Quantized want = Run(*row.kernels, want_y.data(), rows, cols, width, 0.0f, granularity, &intact);
        Quantized got = want;
        std::fill(got.data.begin(), got.data.end(), static_cast<int8_t>(99));
        LayerNormQuantizeRowsWith(*row.kernels, *normalize, x.data(), residual.data(), weight.data(), bias.data(),
                                  1e-12f, rows, cols, y.data(), 0.0f, granularity, got.data.data(), got.scale.data(),
                                  got.sum.data());
        CHECK(got == want);
        CHECK(y == want_y);
      }
    }
  }
}

}  // namespace
}  // namespace sottovoce
