#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "audio/wav.h"
#include "sottovoce/sottovoce.h"

namespace {

const std::string kModel = std::string(SV_MODELS) + "/en-micro.gguf";

struct Recognizer {
  Recognizer() { status = sv_recognizer_open(kModel.c_str(), &handle); }
  ~Recognizer() { sv_recognizer_free(handle); }
  Recognizer(const Recognizer&) = delete;
  sv_recognizer* handle = nullptr;
  sv_status status = SV_INTERNAL;
};

// A demo recording and a second of silence, 16 kHz.
std::vector<float> Recording(const std::string& name) {
  auto wav = sottovoce::ReadWav(std::string(SV_MODELS) + "/../../../demos/audio/" + name);
  REQUIRE_MESSAGE(wav.ok(), wav.status().message());
  std::vector<float> samples = wav->samples;
  samples.insert(samples.end(), 16000, 0.0f);
  return samples;
}

// The final texts and the kinds of events, in order, of a stream that gets all of it.
struct Heard {
  std::vector<std::string> finals;
  std::vector<sv_event_kind> kinds;
  std::vector<sv_endpoint_reason> reasons;
};

void Poll(sv_stream* stream, Heard* heard) {
  for (;;) {
    sv_event event = {};
    event.struct_size = sizeof event;
    REQUIRE(sv_stream_poll(stream, &event) == SV_OK);
    if (event.kind == SV_EVENT_NONE) return;
    heard->kinds.push_back(event.kind);
    if (event.kind == SV_EVENT_ENDPOINT) heard->reasons.push_back(event.reason);
    if (event.kind == SV_EVENT_PARTIAL) CHECK(event.num_words > 0);
    if (event.kind != SV_EVENT_FINAL) continue;
    heard->finals.push_back(event.text);
    REQUIRE(event.num_words > 0);
    CHECK(event.words[0].start_seconds == event.start_seconds);
    CHECK(event.words[event.num_words - 1].end_seconds == event.end_seconds);
    CHECK(event.confidence > 0.0f);
    REQUIRE(event.num_alternatives > 0);
    CHECK(std::string(event.alternatives[0].text) == event.text);
  }
}

}  // namespace

TEST_CASE("a stream outlives its recognizer's handle, and silence has no words") {
  sv_stream* stream = nullptr;
  {
    const Recognizer recognizer;
    REQUIRE_MESSAGE(recognizer.status == SV_OK, sv_last_error());
    REQUIRE(sv_recognizer_stream(recognizer.handle, nullptr, &stream) == SV_OK);
  }
  const std::vector<float> silence(16000, 0.0f);
  REQUIRE(sv_stream_accept_waveform(stream, silence.data(), silence.size(), 16000) == SV_OK);
  CHECK(std::string(sv_stream_partial(stream)).empty());
  sv_recognition_result* result = nullptr;
  REQUIRE(sv_stream_finish(stream, &result) == SV_OK);
  CHECK(std::string(sv_recognition_result_text(result)).empty());
  CHECK(sv_recognition_result_num_words(result) == 0);
  sv_word word = {};
  CHECK(sv_recognition_result_word(result, 0, &word) == SV_INVALID_ARGUMENT);
  CHECK(sv_stream_accept_waveform(stream, silence.data(), 1, 16000) == SV_INVALID_ARGUMENT);
  sv_recognition_result_free(result);
  sv_stream_free(stream);
}

TEST_CASE("bad audio and bad arguments are told") {
  const Recognizer recognizer;
  REQUIRE(recognizer.status == SV_OK);
  sv_stream* stream = nullptr;
  REQUIRE(sv_recognizer_stream(recognizer.handle, nullptr, &stream) == SV_OK);
  const float bad = std::numeric_limits<float>::quiet_NaN();
  CHECK(sv_stream_accept_waveform(stream, &bad, 1, 16000) == SV_INVALID_ARGUMENT);
  CHECK(std::string(sv_last_error()).size() > 0);
  CHECK(sv_stream_accept_waveform(stream, &bad, 0, 16000) == SV_OK);
  CHECK(sv_stream_accept_waveform(stream, nullptr, 1, 16000) == SV_INVALID_ARGUMENT);
  const float zero = 0.0f;
  CHECK(sv_stream_accept_waveform(stream, &zero, 1, 12) == SV_INVALID_ARGUMENT);
  sv_stream_free(stream);
  sv_recognizer* other = nullptr;
  CHECK(sv_recognizer_open((std::string(SV_MODELS) + "/snips-en.gguf").c_str(), &other) == SV_UNSUPPORTED);
  CHECK(other == nullptr);
  sv_recognizer_free(nullptr);
  sv_stream_free(nullptr);
}

TEST_CASE("events: partials, finals and endpoints, with a beam and phrases") {
  const Recognizer recognizer;
  REQUIRE(recognizer.status == SV_OK);
  const std::vector<float> samples = Recording("play_jazz.wav");
  const sv_biasing_phrase phrase = {"miles davis", 3.0f};
  for (const bool biased : {false, true}) {
    sv_stream_options options = {};
    options.struct_size = sizeof options;
    options.beam = 4;
    options.alternatives = 2;
    options.endpoint_silence_seconds = 0.5f;
    if (biased) {
      options.biasing = &phrase;
      options.num_biasing = 1;
    }
    sv_stream* stream = nullptr;
    REQUIRE_MESSAGE(sv_recognizer_stream(recognizer.handle, &options, &stream) == SV_OK, sv_last_error());
    Heard heard;
    for (size_t at = 0; at < samples.size(); at += 1600) {
      REQUIRE(sv_stream_accept_waveform(stream, samples.data() + at, std::min<size_t>(1600, samples.size() - at),
                                        16000) == SV_OK);
      Poll(stream, &heard);
    }
    CHECK(heard.kinds.front() == SV_EVENT_PARTIAL);
    CHECK(heard.kinds.back() == SV_EVENT_ENDPOINT);
    CHECK(heard.reasons == std::vector<sv_endpoint_reason>{SV_ENDPOINT_SILENCE});
    REQUIRE(heard.finals.size() == 1);
    CHECK((heard.finals[0].find("miles davis") != std::string::npos) == biased);
    CHECK(sv_stream_set_biasing(stream, nullptr, 0) == SV_OK);
    CHECK(sv_stream_set_biasing(stream, nullptr, 1) == SV_INVALID_ARGUMENT);
    sv_event small = {};
    CHECK(sv_stream_poll(stream, &small) == SV_INVALID_ARGUMENT);
    CHECK(std::string(sv_last_error()).find("event.struct_size: wanted at least") == 0);
    sv_stream_free(stream);
  }
}

TEST_CASE("options out of range are told") {
  const Recognizer recognizer;
  sv_stream* stream = nullptr;
  sv_stream_options options = {};
  CHECK(sv_recognizer_stream(recognizer.handle, &options, &stream) == SV_INVALID_ARGUMENT);
  CHECK(std::string(sv_last_error()).find("options.struct_size") == 0);
  options.struct_size = sizeof options;
  options.beam = 65;
  CHECK(sv_recognizer_stream(recognizer.handle, &options, &stream) == SV_INVALID_ARGUMENT);
  CHECK(std::string(sv_last_error()) == "beam: wanted 1 to 64, found 65");
  options.beam = 0;
  options.num_biasing = 1;
  CHECK(sv_recognizer_stream(recognizer.handle, &options, &stream) == SV_INVALID_ARGUMENT);
  const sv_biasing_phrase phrase = {"Gate 7", 1.0f};
  options.biasing = &phrase;
  CHECK(sv_recognizer_stream(recognizer.handle, &options, &stream) == SV_INVALID_ARGUMENT);
  CHECK(std::string(sv_last_error()) ==
        "biasing phrase 'Gate 7': wanted characters of the model's vocabulary, found '7' (U+0037)");
  CHECK(stream == nullptr);
}

TEST_CASE("streams in one call are as alone") {
  const Recognizer recognizer;
  const std::vector<float> first = Recording("play_jazz.wav"), second = Recording("rate_book.wav");
  const auto text = [](sv_stream* stream) {
    sv_recognition_result* result = nullptr;
    REQUIRE(sv_stream_finish(stream, &result) == SV_OK);
    const std::string said = sv_recognition_result_text(result);
    sv_recognition_result_free(result);
    return said;
  };
  sv_stream* streams[4] = {};
  for (sv_stream*& stream : streams) REQUIRE(sv_recognizer_stream(recognizer.handle, nullptr, &stream) == SV_OK);
  const sv_waveform both[2] = {{streams[0], first.data(), first.size(), 16000, 1},
                               {streams[1], second.data(), second.size(), 16000, 0}};
  REQUIRE_MESSAGE(sv_recognizer_accept_waveforms(recognizer.handle, both, 2) == SV_OK, sv_last_error());
  REQUIRE(sv_stream_accept_waveform(streams[2], first.data(), first.size(), 16000) == SV_OK);
  REQUIRE(sv_stream_accept_waveform(streams[3], second.data(), second.size(), 16000) == SV_OK);
  CHECK(text(streams[1]) == text(streams[3]));
  CHECK(text(streams[0]) == text(streams[2]));
  CHECK(text(streams[0]) != "");
  const sv_waveform ended = {streams[0], first.data(), first.size(), 16000, 0};
  CHECK(sv_recognizer_accept_waveforms(recognizer.handle, &ended, 1) == SV_INVALID_ARGUMENT);
  CHECK(sv_recognizer_accept_waveforms(recognizer.handle, nullptr, 1) == SV_INVALID_ARGUMENT);
  for (sv_stream* stream : streams) sv_stream_free(stream);
}

TEST_CASE("voice activity: a recording is a segment, silence is none") {
  sv_voice_activity_options options = {};
  options.struct_size = sizeof options;
  options.min_silence_seconds = 0.7f;
  sv_voice_activity* detector = nullptr;
  REQUIRE(sv_voice_activity_create(&options, &detector) == SV_OK);
  const std::vector<float> silence(16000, 0.0f), speech = Recording("play_jazz.wav");
  sv_segment segment = {};
  REQUIRE(sv_voice_activity_accept_waveform(detector, silence.data(), silence.size(), 16000) == SV_OK);
  CHECK(sv_voice_activity_speaking(detector) == 0);
  REQUIRE(sv_voice_activity_accept_waveform(detector, speech.data(), 16000, 16000) == SV_OK);
  CHECK(sv_voice_activity_speaking(detector) == 1);
  CHECK(sv_voice_activity_poll(detector, &segment) == 0);
  REQUIRE(sv_voice_activity_accept_waveform(detector, speech.data() + 16000, speech.size() - 16000, 16000) == SV_OK);
  REQUIRE(sv_voice_activity_finish(detector) == SV_OK);
  REQUIRE(sv_voice_activity_poll(detector, &segment) == 1);
  CHECK(segment.start_seconds >= 0.8f);
  CHECK(segment.start_seconds < 1.6f);
  CHECK(segment.end_seconds > segment.start_seconds + 0.5f);
  CHECK(sv_voice_activity_poll(detector, &segment) == 0);
  CHECK(sv_voice_activity_accept_waveform(detector, silence.data(), 1, 16000) == SV_INVALID_ARGUMENT);
  sv_voice_activity_free(detector);
  detector = nullptr;
  options.min_speech_seconds = -1.0f;
  CHECK(sv_voice_activity_create(&options, &detector) == SV_INVALID_ARGUMENT);
  CHECK(detector == nullptr);
  CHECK(sv_voice_activity_poll(nullptr, &segment) == 0);
  sv_voice_activity_free(nullptr);
}
