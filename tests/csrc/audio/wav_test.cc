#include "audio/wav.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace sottovoce {
namespace {

void PutU16(std::vector<uint8_t>& bytes, uint32_t value) {
  bytes.push_back(static_cast<uint8_t>(value));
  bytes.push_back(static_cast<uint8_t>(value >> 8));
}
void PutU32(std::vector<uint8_t>& bytes, uint32_t value) {
  PutU16(bytes, value);
  PutU16(bytes, value >> 16);
}
void PutText(std::vector<uint8_t>& bytes, const char* text) {
  bytes.insert(bytes.end(), text, text + 4);
}

std::vector<uint8_t> Format(uint16_t code, uint16_t channels, uint32_t rate, uint16_t bits, bool extensible = false) {
  std::vector<uint8_t> f;
  PutU16(f, extensible ? 0xFFFE : code);
  PutU16(f, channels);
  PutU32(f, rate);
  PutU32(f, rate * channels * bits / 8);
  PutU16(f, static_cast<uint32_t>(channels * bits / 8));
  PutU16(f, bits);
  if (extensible) {
    PutU16(f, 22);
    PutU16(f, bits);
    PutU32(f, 3);
    PutU16(f, code);
    for (int b : {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71}) f.push_back(static_cast<uint8_t>(b));
  }
  return f;
}

void PutChunk(std::vector<uint8_t>& bytes, const char* name, const std::vector<uint8_t>& body) {
  PutText(bytes, name);
  PutU32(bytes, static_cast<uint32_t>(body.size()));
  bytes.insert(bytes.end(), body.begin(), body.end());
  if (body.size() % 2 == 1) bytes.push_back(0);
}

std::vector<uint8_t> Wav(const std::vector<uint8_t>& format, const std::vector<uint8_t>& data) {
  std::vector<uint8_t> bytes;
  PutText(bytes, "RIFF");
  PutU32(bytes, 0);
  PutText(bytes, "WAVE");
  PutChunk(bytes, "junk", {1, 2, 3});  // an odd chunk, padded
  PutChunk(bytes, "fmt ", format);
  PutChunk(bytes, "data", data);
  const uint32_t size = static_cast<uint32_t>(bytes.size() - 8);
  for (int i = 0; i < 4; ++i) bytes[4 + static_cast<size_t>(i)] = static_cast<uint8_t>(size >> (8 * i));
  return bytes;
}

Result<WavAudio> Parse(const std::vector<uint8_t>& bytes) {
  return ParseWav(bytes.data(), bytes.size());
}

template <typename T>
std::vector<uint8_t> Bytes(std::initializer_list<T> values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

size_t DataSizeAt(const std::vector<uint8_t>& bytes) {  // offset of the data chunk's size
  for (size_t i = 12; i + 4 < bytes.size(); ++i) {
    if (std::memcmp(bytes.data() + i, "data", 4) == 0) return i + 4;
  }
  return 0;
}

}  // namespace

TEST_CASE("every width of PCM and float decodes exactly") {
  const auto expect = [](const std::vector<uint8_t>& bytes, std::vector<float> wanted) {
    const auto audio = Parse(bytes);
    REQUIRE_MESSAGE(audio.ok(), audio.status().message());
    CHECK(audio->samples == wanted);
    CHECK(audio->sample_rate == 16000);
  };
  expect(Wav(Format(1, 1, 16000, 8), {0, 128, 255}), {-1.0f, 0.0f, 127.0f / 128.0f});
  expect(Wav(Format(1, 1, 16000, 16), Bytes<int16_t>({-32768, 0, 16384})), {-1.0f, 0.0f, 0.5f});
  expect(Wav(Format(1, 1, 16000, 24), {0, 0, 0x80, 0, 0, 0x40, 0xFF, 0xFF, 0xFF}), {-1.0f, 0.5f, -1.0f / 8388608.0f});
  expect(Wav(Format(1, 1, 16000, 32), Bytes<int32_t>({INT32_MIN, 1 << 30})), {-1.0f, 0.5f});
  expect(Wav(Format(3, 1, 16000, 32), Bytes<float>({0.25f, -2.0f})), {0.25f, -2.0f});
  expect(Wav(Format(3, 1, 16000, 64), Bytes<double>({0.25, -2.0})), {0.25f, -2.0f});
  expect(Wav(Format(1, 1, 16000, 16, true), Bytes<int16_t>({16384})), {0.5f});
  expect(Wav(Format(3, 1, 16000, 32, true), Bytes<float>({0.5f})), {0.5f});
}

TEST_CASE("channels are averaged, any rate is kept, no samples are no error") {
  const auto stereo = Parse(Wav(Format(1, 2, 96000, 16), Bytes<int16_t>({16384, 0, -16384, -16384})));
  REQUIRE(stereo.ok());
  CHECK(stereo->samples == std::vector<float>{0.25f, -0.5f});
  CHECK(stereo->sample_rate == 96000);
  const auto empty = Parse(Wav(Format(1, 1, 8000, 16), {}));
  REQUIRE(empty.ok());
  CHECK(empty->samples.empty());
}

TEST_CASE("data sizes that a writer to a pipe left unfilled reach to the end") {
  for (uint32_t size : {0u, 0xFFFFFFFFu, 0x7FFFF000u}) {
    std::vector<uint8_t> bytes = Wav(Format(1, 1, 16000, 16), Bytes<int16_t>({16384, 16384, 16384}));
    const size_t at = DataSizeAt(bytes);
    for (size_t i = 0; i < 4; ++i) {
      bytes[at + i] = static_cast<uint8_t>(size >> (8 * i));
      bytes[4 + i] = 0xFF;
    }
    const auto audio = Parse(bytes);
    REQUIRE_MESSAGE(audio.ok(), audio.status().message());
    CHECK(audio->samples == std::vector<float>{0.5f, 0.5f, 0.5f});
    bytes.pop_back();  // half a sample at the very end is dropped
    CHECK(Parse(bytes)->samples.size() == 2);
  }
}

TEST_CASE("a file cut anywhere is refused, with a reason and no crash") {
  const std::vector<uint8_t> bytes = Wav(Format(1, 2, 16000, 16, true), Bytes<int16_t>({1, 2, 3, 4}));
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const auto audio = Parse(cut);
    CAPTURE(size);
    REQUIRE(!audio.ok());
    CHECK(audio.status().code() == StatusCode::kDataLoss);
    CHECK(!audio.status().message().empty());
  }
}

TEST_CASE("what cannot be read is named") {
  const auto code = [](const std::vector<uint8_t>& bytes) { return Parse(bytes).status().code(); };
  CHECK(code(Wav(Format(7, 1, 8000, 8), {1})) == StatusCode::kUnsupported);  // mu-law
  CHECK(code(Wav(Format(1, 1, 8000, 12), {1, 2})) == StatusCode::kUnsupported);
  CHECK(code(Wav(Format(1, 0, 8000, 16), {})) == StatusCode::kDataLoss);
  CHECK(code(Wav(Format(1, 1, 0, 16), {})) == StatusCode::kDataLoss);
  CHECK(code(Wav(Format(1, 2, 8000, 16), {1, 2})) == StatusCode::kDataLoss);  // half a frame
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto bad = Parse(Wav(Format(3, 1, 8000, 32), Bytes<float>({0.0f, nan})));
  CHECK(bad.status().code() == StatusCode::kDataLoss);
  CHECK(bad.status().message().find("sample 1") != std::string::npos);
  std::vector<uint8_t> no_format;
  PutText(no_format, "RIFF");
  PutU32(no_format, 14);
  PutText(no_format, "WAVE");
  PutChunk(no_format, "data", {1, 2});
  CHECK(Parse(no_format).status().message().find("fmt") != std::string::npos);
  CHECK(ReadWav("/nonexistent.wav").status().code() == StatusCode::kNotFound);
  CHECK(ReadWav("/").status().code() == StatusCode::kInvalidArgument);
}

}  // namespace sottovoce
