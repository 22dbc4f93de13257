#include "audio/resampler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

namespace sottovoce {
namespace {

std::vector<float> Tone(double hz, int rate, size_t count) {
  std::vector<float> x(count);
  for (size_t i = 0; i < count; ++i) {
    x[i] = static_cast<float>(std::sin(2.0 * 3.14159265358979323846 * hz * static_cast<double>(i) / rate));
  }
  return x;
}

}  // namespace

TEST_CASE("a tone stays itself at any rate, and one above the new band vanishes") {
  for (int from : {8000, 11025, 16000, 16001, 22050, 44100, 48000, 96000, 191999, 192000}) {
    CAPTURE(from);
    const size_t count = static_cast<size_t>(from) / 5;
    const std::vector<float> x = Tone(1000.0, from, count);
    const auto y = Resample(x.data(), count, from, 16000);
    REQUIRE(y.ok());
    CHECK(y->size() == (count * 16000 + static_cast<size_t>(from) - 1) / static_cast<size_t>(from));
    const std::vector<float> wanted = Tone(1000.0, 16000, y->size());
    for (size_t i = 200; i + 200 < y->size(); ++i) CHECK(std::fabs((*y)[i] - wanted[i]) < 1e-4f);
    if (from <= 22050) continue;
    const std::vector<float> high = Tone(9000.0, from, count);
    const auto silence = Resample(high.data(), count, from, 16000);
    for (size_t i = 200; i + 200 < silence->size(); ++i) CHECK(std::fabs((*silence)[i]) < 1e-4f);
  }
}

TEST_CASE("streaming is bit-equal to the whole for any chunking") {
  std::mt19937 random(4);
  for (int from : {8000, 44100, 48000, 96001}) {
    CAPTURE(from);
    const auto filters = *ResamplerFilters::Create(from, 16000);
    for (size_t count : {size_t{0}, size_t{1}, size_t{5000}, size_t{30011}}) {
      const std::vector<float> x = Tone(440.0, from, count);
      const std::vector<float> whole = *Resample(x.data(), count, from, 16000);
      Resampler resampler(filters);
      std::vector<float> y;
      float block[64];
      const auto drain = [&] {
        for (size_t got; (got = resampler.Read(block, 64)) > 0;) y.insert(y.end(), block, block + got);
      };
      for (size_t at = 0; at < count;) {
        at += resampler.Accept(x.data() + at, std::min<size_t>(count - at, 1 + random() % 3000));
        drain();
      }
      resampler.Finish();
      drain();
      CHECK(y == whole);
    }
  }
}

TEST_CASE("rates and samples out of range are refused") {
  const float nan = std::nanf("");
  CHECK(!Resample(&nan, 1, 8000, 16000).ok());
  CHECK(!Resample(nullptr, 0, 0, 16000).ok());
  CHECK(!Resample(nullptr, 0, 16000, -1).ok());
  CHECK(Resample(nullptr, 0, 16000, 16000)->empty());
}

}  // namespace sottovoce
