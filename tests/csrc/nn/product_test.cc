#include "nn/product.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/gemm.h"
#include "nn/ghost.h"

namespace sottovoce {
namespace {

std::vector<float> Wave(size_t size, float step) {
  std::vector<float> values(size);
  for (size_t i = 0; i < size; ++i) values[i] = std::sin(step * static_cast<float>(i + 1)) + 0.2f;
  return values;
}

constexpr int kRows = 3, kInputs = 37, kOutputs = 21;

// Two binary halves of kOutputs x kInputs with their panels.
struct SplitWeights {
  std::vector<int8_t> codes[2];
  std::vector<uint8_t> panels[2];
  std::vector<float> scale[2];
  std::vector<float> bias = Wave(kOutputs, 0.9f);

  SplitWeights() {
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < kOutputs * kInputs; ++i) {
        codes[half].push_back((i * 7 + half * 3 + i / 5) % 3 == 0 ? 1 : -1);
      }
      panels[half].resize(PackedBytesQ1(kOutputs, kInputs));
      PackQ1(codes[half].data(), kOutputs, kInputs, panels[half].data());
      scale[half].assign(kOutputs, half == 0 ? 0.05f : 0.02f);
    }
  }
  Linear linear() const {
    return Linear::Q1(panels[0].data(), scale[0], panels[1].data(), scale[1], kOutputs, kInputs, bias.data());
  }
  // The product in float64 of inputs as the quantizer of each half sees them.
  double Expected(const std::vector<float> (&seen)[2], int row, int output) const {
    double sum = static_cast<double>(bias[static_cast<size_t>(output)]);
    for (size_t half = 0; half < 2; ++half) {
      for (int c = 0; c < kInputs; ++c) {
        sum += static_cast<double>(seen[half][static_cast<size_t>(row * kInputs + c)]) *
               codes[half][static_cast<size_t>(output * kInputs + c)] *
               static_cast<double>(scale[half][static_cast<size_t>(output)]);
      }
    }
    return sum;
  }
};

// The largest error of a product whose halves quantize their input so.
double Worst(const std::vector<ActivationQuantizer>& input) {
  const SplitWeights weights;
  const Product product(weights.linear(), input);
  const std::vector<float> x = Wave(kRows * kInputs, 0.37f);
  ActivationBuffer buffer;
  std::vector<float> seen[2] = {x, x}, second, y(kRows * kOutputs);
  for (size_t half = 0; half < 2; ++half) {
    const ActivationQuantizer& by = input[half < input.size() ? half : 0];
    DequantizeRows(buffer.Quantize(x.data(), kRows, kInputs, kInputs, by), seen[half].data(), kInputs);
  }
  product.Forward(x.data(), kRows, kInputs, buffer, second, y.data(), kOutputs);
  double worst = 0.0;
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      const double found = static_cast<double>(y[static_cast<size_t>(r * kOutputs + o)]);
      worst = std::fmax(worst, std::fabs(found - weights.Expected(seen, r, o)));
    }
  }
  return worst;
}

TEST_CASE("a product adds the halves whatever their quantizers") {
  ActivationQuantizer plain, asymmetric, stepped, coarse;
  asymmetric.symmetric = false;
  stepped.step = 0.02f;
  coarse.top = 7;
  coarse.symmetric = false;
  coarse.granularity = Granularity::kPerTensor;
  coarse.step = 0.15f;
  for (const ActivationQuantizer& one : {plain, asymmetric, stepped, coarse}) {
    CHECK(Worst({one}) < 1e-5);
    CHECK(Worst({one, one}) < 1e-5);
    for (const ActivationQuantizer& other : {plain, asymmetric, stepped, coarse}) CHECK(Worst({one, other}) < 1e-5);
  }
}

TEST_CASE("products share an input only when they see the same integers") {
  const SplitWeights weights;
  ActivationQuantizer plain, stepped;
  stepped.step = 0.02f;
  const Product a(weights.linear(), {plain}), b(weights.linear(), {plain, plain}), c(weights.linear(), {stepped}),
      d(weights.linear(), {plain, stepped});
  CHECK(a.SharesInput(b));
  CHECK_FALSE(a.SharesInput(c));
  CHECK_FALSE(a.SharesInput(d));
}

TEST_CASE("a narrower product is the product of the first inputs") {
  const SplitWeights weights;
  ActivationQuantizer asymmetric;
  asymmetric.symmetric = false;
  const Product narrow = Product(weights.linear(), {asymmetric}).Cut(7, 20);
  const std::vector<float> x = Wave(20, 0.37f);
  ActivationBuffer buffer;
  std::vector<float> seen(20), second, y(7);
  DequantizeRows(buffer.Quantize(x.data(), 1, 20, 20, asymmetric), seen.data(), 20);
  narrow.Forward(x.data(), 1, 20, buffer, second, y.data(), 7);
  for (size_t o = 0; o < 7; ++o) {
    double sum = static_cast<double>(weights.bias[o]);
    for (size_t c = 0; c < 20; ++c) {
      const double weight = weights.codes[0][o * kInputs + c] * 0.05 + weights.codes[1][o * kInputs + c] * 0.02;
      sum += static_cast<double>(seen[c]) * weight;
    }
    CHECK(std::fabs(static_cast<double>(y[o]) - sum) < 1e-5);
  }
}

TEST_CASE("ghost features are convolutions over the tokens, with zeros at both ends") {
  constexpr int kTokens = 4, kWidth = 5, kFeatures = 2;
  const std::vector<float> logits = Wave(kFeatures * kWidth * 3, 1.3f), x = Wave(kTokens * kWidth, 0.7f);
  std::vector<float> y = x, scratch;
  const Ghost ghost(logits.data(), kFeatures, kWidth);
  CHECK_FALSE(ghost.empty());
  CHECK(Ghost().empty());
  ghost.Apply(y.data(), kTokens, scratch);
  for (int t = 0; t < kTokens; ++t) {
    for (int c = 0; c < kWidth; ++c) {
      const auto at = [&](int token) {
        return token < 0 || token >= kTokens ? 0.0 : static_cast<double>(x[static_cast<size_t>(token * kWidth + c)]);
      };
      double sum = at(t);
      for (int f = 0; f < kFeatures; ++f) {
        const float* logit = logits.data() + (f * kWidth + c) * 3;
        double total = 0.0, mixed = 0.0;
        for (int k = 0; k < 3; ++k) {
          const double part = std::exp(static_cast<double>(logit[k]));
          total += part;
          mixed += part * at(t + k - 1);
        }
        sum += mixed / total;
      }
      CHECK(std::fabs(static_cast<double>(y[static_cast<size_t>(t * kWidth + c)]) - sum) < 1e-6);
    }
  }
}

}  // namespace
}  // namespace sottovoce
