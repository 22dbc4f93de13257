#include "audio/fbank.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <random>

#include "audio/samples.h"

namespace sottovoce {
namespace {

std::vector<float> Noise(size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.1f);
  std::vector<float> x(count);
  for (float& value : x) value = normal(random);
  return x;
}

template <typename Sizes>
std::vector<float> Compute(const std::shared_ptr<const Fbank>& fbank, const std::vector<float>& x, Sizes sizes) {
  FbankStream stream(fbank);
  std::vector<float> frames;
  const size_t mels = static_cast<size_t>(fbank->num_mels());
  const auto drain = [&] {
    while (stream.Ready()) {
      frames.resize(frames.size() + mels);
      stream.Read(frames.data() + frames.size() - mels);
    }
  };
  for (size_t at = 0; at < x.size();) {
    at += stream.Accept(x.data() + at, std::min<size_t>(x.size() - at, sizes()));
    drain();
  }
  stream.Finish();
  drain();
  return frames;
}

}  // namespace

TEST_CASE("the power spectrum is the discrete Fourier transform's") {
  for (int size : {8, 64, 512}) {
    const std::vector<float> x = Noise(static_cast<size_t>(size));
    std::vector<float> scratch(static_cast<size_t>(size)), power(static_cast<size_t>(size / 2 + 1));
    RealFft(size).Power(x.data(), scratch.data(), power.data());
    for (int k = 0; k <= size / 2; ++k) {
      std::complex<double> sum = 0.0;
      for (int n = 0; n < size; ++n) {
        sum += static_cast<double>(x[static_cast<size_t>(n)]) *
               std::polar(1.0, -2.0 * 3.14159265358979323846 * k * n / size);
      }
      CHECK(power[static_cast<size_t>(k)] == doctest::Approx(std::norm(sum)).epsilon(1e-4));
    }
  }
}

TEST_CASE("features are bit-equal for any chunking and have the number of frames Kaldi gives") {
  std::mt19937 random(2);
  for (const char* preset : {"kaldi80", "slaney128"}) {
    const auto fbank = *Fbank::Create(*FbankPreset(preset));
    for (size_t count : {size_t{0}, size_t{1}, size_t{79}, size_t{80}, size_t{120}, size_t{399}, size_t{20011}}) {
      CAPTURE(count);
      const std::vector<float> x = Noise(count);
      const std::vector<float> whole = Compute(fbank, x, [] { return size_t{1} << 20; });
      CHECK(whole.size() == (count + 80) / 160 * static_cast<size_t>(fbank->num_mels()));
      CHECK(Compute(fbank, x, [] { return size_t{1}; }) == whole);
      CHECK(Compute(fbank, x, [&] { return 1 + random() % 700; }) == whole);
    }
  }
}

TEST_CASE("silence gives the floor") {
  const auto fbank = *Fbank::Create(FbankOptions());
  for (float x : Compute(fbank, std::vector<float>(1600, 0.0f), [] { return size_t{1600}; })) {
    CHECK(x == doctest::Approx(std::log(1.1920928955078125e-07)));
  }
  const auto slaney = *Fbank::Create(*FbankPreset("slaney128"));
  for (float x : Compute(slaney, std::vector<float>(1600, 0.0f), [] { return size_t{1600}; })) {
    CHECK(x == doctest::Approx(-24.0 * std::log(2.0)));
  }
}

TEST_CASE("no filter of a preset is empty") {
  for (const char* preset : {"kaldi80", "slaney128"}) {
    const MelFilters filters = MakeMelFilters(*FbankPreset(preset));
    for (size_t m = 0; m + 1 < filters.offset.size(); ++m) CHECK(filters.offset[m] < filters.offset[m + 1]);
  }
}

TEST_CASE("settings out of range are named") {
  const auto message = [](auto change) {
    FbankOptions options;
    change(options);
    const auto fbank = Fbank::Create(options);
    CHECK(!fbank.ok());
    return fbank.status().message();
  };
  CHECK(message([](FbankOptions& o) { o.fft_size = 500; }).find("fft_size") != std::string::npos);
  CHECK(message([](FbankOptions& o) { o.fft_size = 256; }).find("window_samples") != std::string::npos);
  CHECK(message([](FbankOptions& o) { o.hop_samples = 0; }).find("hop_samples") != std::string::npos);
  CHECK(message([](FbankOptions& o) { o.high_hz = 9000; }).find("high_hz") != std::string::npos);
  CHECK(message([](FbankOptions& o) { o.low_hz = std::nanf(""); }).find("low_hz") != std::string::npos);
  CHECK(message([](FbankOptions& o) { o.log_floor = 0; }).find("log_floor") != std::string::npos);
  CHECK(message([](FbankOptions& o) { o.num_mels = -1; }).find("num_mels") != std::string::npos);
  CHECK(!FbankPreset("mfcc").ok());
}

TEST_CASE("samples that are not finite are found") {
  std::vector<float> x(1000, 0.5f);
  CHECK(CheckFiniteSamples(x.data(), x.size()).ok());
  x[777] = std::numeric_limits<float>::infinity();
  CHECK(CheckFiniteSamples(x.data(), x.size(), 1000).message().find("1777") != std::string::npos);
  x[3] = std::nanf("");
  CHECK(CheckFiniteSamples(x.data(), x.size()).message().find("sample 3:") != std::string::npos);
}

}  // namespace sottovoce
