#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

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

}  // namespace

TEST_CASE("a stream outlives its recognizer's handle, and silence has no words") {
  sv_stream* stream = nullptr;
  {
    const Recognizer recognizer;
    REQUIRE_MESSAGE(recognizer.status == SV_OK, sv_last_error());
    REQUIRE(sv_recognizer_stream(recognizer.handle, &stream) == SV_OK);
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
  REQUIRE(sv_recognizer_stream(recognizer.handle, &stream) == SV_OK);
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
