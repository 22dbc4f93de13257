// Streaming convolutions against the definition in double precision, on shapes with odd edges.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "nn/streaming_conv.h"

namespace sottovoce {
namespace {

std::vector<float> Random(size_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& value : x) value = normal(random);
  return x;
}

// The sum over (time, freq, channel), zeros outside the input.
std::vector<double> Reference(const ConvConfig& c, const std::vector<float>& x, const std::vector<float>& weights,
                              const std::vector<float>& bias) {
  const int frames = static_cast<int>(x.size() / c.in_size());
  const int kernel_freq = c.kernel_freq == 0 ? 1 : c.kernel_freq;
  std::vector<double> y;
  for (int t = 0; t * c.stride_time + c.left() < frames; ++t) {
    for (int f = 0; f < c.out_freq(); ++f) {
      for (int o = 0; o < c.out_channels; ++o) {
        double sum = bias[static_cast<size_t>(o)];
        for (int i = 0; i < c.window_size(); ++i) {
          const int channel = i % c.in_channels;
          const int bin = f * c.stride_freq + i / c.in_channels % kernel_freq - (kernel_freq - 1) / 2;
          const int frame = t * c.stride_time + i / c.in_channels / kernel_freq - c.left();
          if (frame < 0 || bin < 0 || bin >= c.in_freq) continue;
          sum += static_cast<double>(weights[static_cast<size_t>(o * c.window_size() + i)]) *
                 static_cast<double>(x[static_cast<size_t>((frame * c.in_freq + bin) * c.in_channels + channel)]);
        }
        if (c.activation == Activation::kRelu) sum = std::max(sum, 0.0);
        if (c.activation == Activation::kGelu) sum *= 0.5 * std::erfc(-sum / std::sqrt(2.0));
        y.push_back(sum);
      }
    }
  }
  return y;
}

std::vector<float> Stream(const StreamingConv& conv, const std::vector<float>& x, std::mt19937& random, int most) {
  const ConvConfig& c = conv.config();
  ConvState state;
  ActivationBuffer activations;
  ConvWorkspace workspace;
  conv.Start(state);
  conv.Reserve(workspace, activations, most, 1);
  std::vector<float> y, out(static_cast<size_t>(c.MaxOutputs(most)) * c.out_size());
  const int frames = static_cast<int>(x.size() / c.in_size());
  for (int at = 0; at < frames;) {
    const int count = std::min(frames - at, 1 + static_cast<int>(random() % static_cast<unsigned>(most)));
    ConvRows rows{&state, count};
    const int got =
        conv.Forward(x.data() + static_cast<size_t>(at) * c.in_size(), &rows, 1, workspace, activations, out.data());
    REQUIRE(got <= c.MaxOutputs(count));
    REQUIRE(got == rows.num_frames);
    y.insert(y.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(got) * c.out_size()));
    at += count;
  }
  return y;
}

}  // namespace

TEST_CASE("streaming convolutions are the definition, bit-equal in any chunking") {
  std::mt19937 random(1);
  constexpr Activation kNone = Activation::kNone, kRelu = Activation::kRelu, kGelu = Activation::kGelu;
  // kernel_time, kernel_freq, stride_time, stride_freq, in_channels, in_freq, out_channels, activation
  const ConvConfig configs[] = {
      {1, 0, 1, 1, 5, 1, 7, kNone}, {3, 0, 1, 1, 5, 1, 7, kRelu},  {3, 0, 2, 1, 4, 1, 17, kGelu},
      {5, 0, 3, 1, 3, 1, 2, kNone}, {3, 7, 2, 2, 1, 11, 3, kRelu}, {3, 5, 1, 2, 3, 6, 16, kNone},
      {3, 3, 3, 1, 2, 1, 4, kRelu}, {1, 1, 1, 1, 2, 3, 4, kNone},  {5, 5, 4, 3, 2, 2, 1, kNone},
      {3, 0, 4, 1, 4, 1, 3, kNone}, {1, 0, 5, 1, 4, 1, 3, kNone}};
  for (const ConvConfig& config : configs) {
    CAPTURE(config.kernel_time);
    CAPTURE(config.kernel_freq);
    const size_t weights_size = static_cast<size_t>(config.out_channels) * static_cast<size_t>(config.window_size());
    const std::vector<float> weights = Random(weights_size, random);
    const std::vector<float> bias = Random(static_cast<size_t>(config.out_channels), random);
    const StreamingConv conv(config,
                             Linear::F32(weights.data(), config.out_channels, config.window_size(), bias.data()));
    for (int frames : {0, 1, 2, 3, 23}) {
      CAPTURE(frames);
      const std::vector<float> x = Random(static_cast<size_t>(frames) * config.in_size(), random);
      const std::vector<double> wanted = Reference(config, x, weights, bias);
      const std::vector<float> got = Stream(conv, x, random, 23);
      REQUIRE(got.size() == wanted.size());
      for (size_t i = 0; i < got.size(); ++i) CHECK(std::fabs(got[i] - wanted[i]) < 1e-4);
      CHECK(Stream(conv, x, random, 1) == got);
      CHECK(Stream(conv, x, random, 4) == got);
    }
  }
}

TEST_CASE("quantized convolutions scale every gathered row alone, so chunks do not matter either") {
  std::mt19937 random(2);
  const ConvConfig config{3, 5, 2, 2, 3, 9, 20, Activation::kRelu};
  std::vector<int8_t> weights(static_cast<size_t>(config.out_channels * config.window_size()));
  for (int8_t& w : weights) w = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  std::vector<uint8_t> panels(PackedBytesQ8(config.out_channels, config.window_size()));
  PackQ8(weights.data(), config.out_channels, config.window_size(), reinterpret_cast<int8_t*>(panels.data()));
  const std::vector<float> bias = Random(20, random);
  const StreamingConv conv(config,
                           Linear::Q8(reinterpret_cast<const int8_t*>(panels.data()), std::vector<float>(20, 0.01f),
                                      config.out_channels, config.window_size(), bias.data()));
  std::vector<float> x = Random(31 * config.in_size(), random);
  for (size_t i = 0; i < 9 * config.in_size(); ++i) x[i] *= 100.0f;  // loud frames must not blur quiet ones
  const std::vector<float> whole = Stream(conv, x, random, 31);
  CHECK(whole.size() == 15 * config.out_size());
  CHECK(Stream(conv, x, random, 1) == whole);
  CHECK(Stream(conv, x, random, 7) == whole);
}

}  // namespace sottovoce
