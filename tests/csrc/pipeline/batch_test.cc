// Several streams in one call: each finds, bit for bit, what it finds alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "pipeline/recognizer.h"

namespace sottovoce {
namespace {

std::shared_ptr<const Recognizer> Open(const std::string& kind) {
  auto recognizer = Recognizer::Open(std::string(SV_TEST_DATA) + "/transducer_tiny/" + kind + ".gguf");
  REQUIRE_MESSAGE(recognizer.ok(), recognizer.status().message());
  return *recognizer;
}

struct Job {
  StreamOptions options;
  int rate = 16000;
  std::vector<float> samples;
};

// Streams that differ in everything that may differ.
std::vector<Job> Jobs(size_t count) {
  std::vector<Job> jobs(count);
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0.0f, 0.1f);
  for (size_t j = 0; j < count; ++j) {
    Job& job = jobs[j];
    job.options.beam_size = 1 + static_cast<int>(j % 4) * 2;
    job.options.alternatives = *job.options.beam_size;
    if (j % 3 == 1) job.options.biasing = {{"a", 2.0f}};
    if (j % 3 == 2) job.options.endpoint = {0.1, 0.0, 0.5};
    job.rate = j % 5 == 4 ? 8000 : 16000;
    job.samples.resize(3000 + 2111 * j % 9000);
    for (float& x : job.samples) x = normal(random);
  }
  return jobs;
}

void CheckSame(RecognizerStream& alone, RecognizerStream& together) {
  const auto a = alone.tokens(), b = together.tokens();
  CHECK(a.size() == b.size());
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    CHECK(a[i].symbol == b[i].symbol);
    CHECK(a[i].frame == b[i].frame);
    CHECK(a[i].log_prob == b[i].log_prob);
  }
  const auto events = alone.TakeEvents(), others = together.TakeEvents();
  REQUIRE(events.size() == others.size());
  for (size_t e = 0; e < events.size(); ++e) {
    CHECK(events[e].kind == others[e].kind);
    CHECK(events[e].result.text == others[e].result.text);
    CHECK(events[e].seconds == others[e].seconds);
    REQUIRE(events[e].alternatives.size() == others[e].alternatives.size());
    for (size_t i = 0; i < events[e].alternatives.size(); ++i) {
      CHECK(events[e].alternatives[i].log_prob == others[e].alternatives[i].log_prob);
    }
  }
}

}  // namespace

TEST_CASE("streams of all kinds in one call are as alone") {
  for (const std::string kind : {"f32", "int8", "xl_ternary"}) {
    CAPTURE(kind);
    const auto recognizer = Open(kind);
    for (size_t count : {size_t{3}, size_t{19}}) {
      const std::vector<Job> jobs = Jobs(count);
      std::vector<std::unique_ptr<RecognizerStream>> alone, together;
      size_t tokens = 0;
      for (const Job& job : jobs) {
        alone.push_back(recognizer->CreateStream(job.options).value());
        together.push_back(recognizer->CreateStream(job.options).value());
        REQUIRE(alone.back()->AcceptWaveform(job.samples.data(), job.samples.size(), job.rate).ok());
        alone.back()->Finish();
        tokens += alone.back()->tokens().size();
      }
      CHECK(tokens > count);
      std::mt19937 random(3);
      std::vector<size_t> at(count, 0);
      for (bool more = true; more;) {
        more = false;
        std::vector<StreamSamples> inputs;
        for (size_t j = 0; j < count; ++j) {
          if (together[j]->finished()) continue;
          const size_t size = std::min<size_t>(random() % 2500, jobs[j].samples.size() - at[j]);
          const bool last = at[j] + size == jobs[j].samples.size();
          inputs.push_back({together[j].get(), jobs[j].samples.data() + at[j], size, jobs[j].rate, last});
          at[j] += size;
          more = more || !last;
        }
        const Status status = recognizer->AcceptWaveforms(inputs.data(), inputs.size());
        REQUIRE_MESSAGE(status.ok(), status.message());
      }
      for (size_t j = 0; j < count; ++j) {
        CAPTURE(j);
        CHECK(together[j]->finished());
        CheckSame(*alone[j], *together[j]);
      }
    }
  }
}

TEST_CASE("a batch with a mistake in it changes no stream") {
  const auto recognizer = Open("f32"), other = Open("f32");
  const std::vector<Job> jobs = Jobs(2);
  const auto decode = [&](bool with_mistakes) {
    auto first = recognizer->CreateStream().value(), second = recognizer->CreateStream().value();
    auto foreign = other->CreateStream().value();
    std::vector<float> x = jobs[0].samples;
    StreamSamples inputs[2] = {{first.get(), x.data(), x.size(), 16000, true},
                               {second.get(), x.data(), x.size(), 16000, false}};
    if (with_mistakes) {
      const auto message = [&] { return recognizer->AcceptWaveforms(inputs, 2).message(); };
      inputs[1].stream = first.get();
      CHECK(message() == "stream 1: wanted each stream once, found stream 0 again");
      inputs[1].stream = foreign.get();
      CHECK(message() == "stream 1: wanted one of this recognizer, found another's");
      inputs[1].stream = nullptr;
      CHECK(message() == "stream 1: wanted a stream, found none");
      inputs[1].stream = second.get();
      inputs[1].sample_rate = 7;
      CHECK(message().find("sample rate: wanted 8000 to 192000 Hz, found 7") == 0);
      inputs[1].sample_rate = 16000;
      std::vector<float> bad(10, std::numeric_limits<float>::infinity());
      inputs[1].samples = bad.data();
      inputs[1].count = bad.size();
      CHECK(message().find("sample 0") != std::string::npos);
      inputs[1].samples = x.data();
      inputs[1].count = x.size();
    }
    REQUIRE(recognizer->AcceptWaveforms(inputs, 2).ok());
    CHECK(first->finished());
    CHECK(!second->finished());
    return std::pair(first->Finish().text, second->Finish().text);
  };
  const auto clean = decode(false);
  CHECK(!clean.first.empty());
  CHECK(clean.first == clean.second);
  CHECK(decode(true) == clean);
  CHECK(recognizer->AcceptWaveforms(nullptr, 0).ok());
}

TEST_CASE("a stream's memory: its caches and what audio waits in, whatever was said") {
  const auto recognizer = Open("int8");
  StreamOptions wide;
  wide.beam_size = 4;
  auto greedy = recognizer->CreateStream().value(), beam = recognizer->CreateStream(wide).value();
  const size_t bytes = greedy->state_bytes();
  CHECK(bytes >= recognizer->model().encoder().CacheBytes());
  CHECK(beam->state_bytes() > bytes);
  const std::vector<float> x = Jobs(1)[0].samples;
  for (int turn = 0; turn < 20; ++turn) REQUIRE(greedy->AcceptWaveform(x.data(), x.size(), 16000).ok());
  CHECK(greedy->tokens().size() > 0);
  CHECK(greedy->state_bytes() == bytes);
}

}  // namespace sottovoce
