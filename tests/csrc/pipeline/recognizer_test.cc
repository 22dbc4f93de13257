// The recognizer from samples to words: the torch reference's tokens, any chunking, threads, no allocation on the way.
#include "pipeline/recognizer.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <random>
#include <thread>

#include "models/golden.h"

namespace {

std::atomic<long> allocations{0};

}  // namespace

void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace sottovoce {
namespace {

std::shared_ptr<const Recognizer> Open(const std::string& kind) {
  auto recognizer = Recognizer::Open(std::string(SV_TEST_DATA) + "/transducer_tiny/" + kind + ".gguf");
  REQUIRE_MESSAGE(recognizer.ok(), recognizer.status().message());
  return *recognizer;
}

// The glide of tests/golden/make_transducer.py.
std::vector<float> Tone() {
  std::vector<float> x(5500);
  int64_t phase = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    phase += 400 + static_cast<int64_t>(i / 4);
    x[i] = static_cast<float>(std::abs(phase % 65536 - 32768) - 16384) / 65536.0f;
  }
  return x;
}

std::vector<float> Noise(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.1f);
  std::vector<float> x(count);
  for (float& value : x) value = normal(random);
  return x;
}

using Tokens = std::vector<std::pair<int, float>>;

Tokens Copy(const RecognizerStream& stream) {
  Tokens tokens;
  for (const DecodedToken& t : stream.tokens())
    tokens.push_back({t.symbol * 100000 + static_cast<int>(t.frame), t.log_prob});
  return tokens;
}

template <typename Sizes>
Tokens Decode(const Recognizer& recognizer, const std::vector<float>& x, int rate, Sizes sizes) {
  auto stream = recognizer.CreateStream().value();
  for (size_t at = 0; at < x.size();) {
    const size_t count = std::min<size_t>(x.size() - at, sizes());
    const Status status = stream->AcceptWaveform(x.data() + at, count, rate);
    REQUIRE_MESSAGE(status.ok(), status.message());
    at += count;
  }
  stream->Finish();
  return Copy(*stream);
}

}  // namespace

TEST_CASE("the tokens are the torch reference's") {
  for (const char* kind : {"f32", "int8"}) {
    CAPTURE(kind);
    const GoldenArrays golden = ReadGolden(std::string(SV_TEST_DATA) + "/transducer_tiny/" + kind + ".bin");
    REQUIRE(!golden.empty());
    const std::vector<float>& wanted = golden.at("tokens");
    const auto recognizer = Open(kind);
    auto stream = recognizer->CreateStream().value();
    const std::vector<float> x = Tone();
    REQUIRE(stream->AcceptWaveform(x.data(), x.size(), 16000).ok());
    const RecognitionResult result = stream->Finish();
    REQUIRE(stream->tokens().size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) CHECK(stream->tokens()[i].symbol == static_cast<int>(wanted[i]));
    CHECK(!result.words.empty());
    CHECK(JoinWords(result.words) == result.text);
    CHECK(stream->Partial() == result.text);
    CHECK(stream->Finish().text == result.text);
  }
}

TEST_CASE("tokens, times and probabilities are bit-equal for any chunking and any rate") {
  std::mt19937 random(5);
  for (const char* kind : {"f32", "int8"}) {
    const auto recognizer = Open(kind);
    for (int rate : {16000, 8000, 44100}) {
      CAPTURE(rate);
      const std::vector<float> x = Noise(static_cast<size_t>(rate) * 2, 7);
      const Tokens whole = Decode(*recognizer, x, rate, [] { return size_t{1} << 30; });
      CHECK(!whole.empty());
      CHECK(Decode(*recognizer, x, rate, [] { return size_t{160}; }) == whole);
      CHECK(Decode(*recognizer, x, rate, [&] { return size_t{1} + random() % 3000; }) == whole);
    }
  }
}

TEST_CASE("a beam is at least as likely as greedy search, and the same for any chunking") {
  const auto recognizer = Open("f32");
  for (unsigned seed : {1u, 2u, 3u}) {
    const std::vector<float> x = Noise(24000, seed);
    const auto decode = [&](int beam, size_t chunk) {
      StreamOptions options;
      options.beam_size = beam;
      options.alternatives = beam;
      auto stream = recognizer->CreateStream(options).value();
      for (size_t at = 0; at < x.size(); at += chunk) {
        REQUIRE(stream->AcceptWaveform(x.data() + at, std::min(chunk, x.size() - at), 16000).ok());
      }
      stream->Finish();
      const std::vector<RecognitionEvent> events = stream->TakeEvents();
      REQUIRE(events.size() == 1);
      return events[0];
    };
    const RecognitionEvent greedy = decode(1, 4000), beam = decode(4, 4000), cut = decode(4, 333);
    REQUIRE(!beam.alternatives.empty());
    // Greedy search counts one alignment and without its blanks: it can only look likelier by the latter.
    CHECK(beam.alternatives.size() <= 4);
    for (size_t i = 1; i < beam.alternatives.size(); ++i) {
      CHECK(beam.alternatives[i - 1].log_prob >= beam.alternatives[i].log_prob);
    }
    CHECK(beam.result.text == cut.result.text);
    CHECK(beam.alternatives[0].log_prob == cut.alternatives[0].log_prob);
    CHECK(!greedy.result.text.empty());
  }
}

TEST_CASE("options out of range and phrases without text are refused") {
  const auto recognizer = Open("f32");
  StreamOptions options;
  options.beam_size = 0;
  CHECK(recognizer->CreateStream(options).status().message().find("beam: wanted 1 to 64, found 0") == 0);
  options.beam_size = 2;
  options.alternatives = 3;
  CHECK(recognizer->CreateStream(options).status().message().find("alternatives") == 0);
  options = {};
  options.endpoint.silence_seconds = -1.0;
  CHECK(recognizer->CreateStream(options).status().message().find("endpoint silence") == 0);
  options = {};
  options.biasing = {{"  ", 1.0f}};
  CHECK(recognizer->CreateStream(options).status().message().find("biasing phrase: wanted text") == 0);
  options.biasing = {{"a", 1.0f}, {"b-a", 1.0f}};
  CHECK(recognizer->CreateStream(options).status().message() ==
        "biasing phrase 'b-a': wanted characters of the model's vocabulary, found '-' (U+002D)");
  options.biasing = {{"A", 1.0f}};
  auto stream = recognizer->CreateStream(options);
  REQUIRE(stream.ok());
  CHECK(!(*stream)->SetBiasing({{"a\xC3\xA9", 1.0f}}).ok());
}

TEST_CASE("streams on several threads give the serial answers") {
  const auto recognizer = Open("int8");
  std::vector<Tokens> serial(4), parallel(4);
  const auto run = [&](size_t i, std::vector<Tokens>& results) {
    results[i] = Decode(*recognizer, Noise(16000, static_cast<unsigned>(i)), 16000, [] { return size_t{1000}; });
  };
  for (size_t i = 0; i < 4; ++i) run(i, serial);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) threads.emplace_back([&, i] { run(i, parallel); });
  for (std::thread& thread : threads) thread.join();
  CHECK(serial == parallel);
}

TEST_CASE("nothing is allocated once the stream exists") {
  for (const char* kind : {"f32", "int8"}) {
    const auto recognizer = Open(kind);
    auto stream = recognizer->CreateStream().value();
    const std::vector<float> x = Noise(24000, 1);
    REQUIRE(stream->AcceptWaveform(x.data(), 100, 16000).ok());
    const long before = allocations;
    bool ok = true;
    for (size_t at = 100; at < 16000; at += 400) ok = stream->AcceptWaveform(x.data() + at, 400, 16000).ok() && ok;
    ok = stream->AcceptWaveform(x.data() + 16000, 8000, 16000).ok() && ok;
    const long after = allocations;
    CHECK(ok);
    CHECK(stream->tokens().size() > 0);
    CHECK(after == before);
  }
}

TEST_CASE("what a stream refuses, and that it goes on afterwards") {
  const auto recognizer = Open("f32");
  std::vector<float> x(1600, 0.0f);
  auto stream = recognizer->CreateStream().value();
  CHECK(stream->AcceptWaveform(nullptr, 0, 16000).ok());
  CHECK(stream->AcceptWaveform(x.data(), x.size(), 7999).code() == StatusCode::kInvalidArgument);
  CHECK(stream->AcceptWaveform(x.data(), x.size(), 192001).code() == StatusCode::kInvalidArgument);
  CHECK(stream->AcceptWaveform(x.data(), x.size(), 16000).ok());
  CHECK(stream->AcceptWaveform(x.data(), x.size(), 8000).message().find("16000") != std::string::npos);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK(stream->AcceptWaveform(x.data(), x.size(), 16000).message().find("sample 1605") != std::string::npos);
  x[5] = 0.0f;
  CHECK(stream->AcceptWaveform(x.data(), x.size(), 16000).ok());
  stream->Finish();
  CHECK(stream->finished());
  CHECK(stream->AcceptWaveform(x.data(), x.size(), 16000).code() == StatusCode::kInvalidArgument);
}

TEST_CASE("no audio, one sample and absurd loudness have a result") {
  const auto recognizer = Open("int8");
  CHECK(recognizer->Recognize(nullptr, 0, 16000)->text.empty());
  CHECK(recognizer->CreateStream().value()->Finish().words.empty());
  const float one = 0.5f;
  CHECK(recognizer->Recognize(&one, 1, 16000)->text.empty());
  const std::vector<float> loud(16000, 1e30f);
  CHECK(recognizer->Recognize(loud.data(), loud.size(), 16000).ok());
}

TEST_CASE("a missing file and another architecture are named") {
  CHECK(Recognizer::Open("/nonexistent.gguf").status().code() == StatusCode::kNotFound);
  const char junk[] = "not an artifact at all";
  CHECK(!Recognizer::OpenMemory(junk, sizeof(junk)).ok());
}

}  // namespace sottovoce
