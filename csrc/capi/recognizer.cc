#include "pipeline/recognizer.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "capi/guard.h"

using sottovoce::Status;
using sottovoce::capi::Guard;
using sottovoce::capi::RequireIndex;
using sottovoce::capi::RequireNotNull;
using sottovoce::capi::RequireStructSize;

struct sv_recognizer {
  std::shared_ptr<const sottovoce::Recognizer> recognizer;
};

struct sv_stream {
  std::unique_ptr<sottovoce::RecognizerStream> stream;
  std::string partial;                               // what sv_stream_partial last returned
  std::deque<sottovoce::RecognitionEvent> events{};  // not polled yet
  // What the last polled event points to.
  sottovoce::RecognitionEvent polled{};
  std::vector<sv_word> words{};
  std::vector<sv_alternative> alternatives{};
};

struct sv_recognition_result {
  sottovoce::RecognitionResult result;
};

namespace {

sv_word ToWord(const sottovoce::RecognizedWord& word) {
  return {word.text.c_str(), static_cast<float>(word.start_seconds), static_cast<float>(word.end_seconds),
          word.confidence};
}

Status ReadPhrases(const sv_biasing_phrase* phrases, size_t count, std::vector<sottovoce::BiasingText>* texts) {
  if (count > 0) SV_RETURN_IF_ERROR(RequireNotNull(phrases, "phrases"));
  for (size_t i = 0; i < count; ++i) {
    SV_RETURN_IF_ERROR(RequireNotNull(phrases[i].text, "phrase text"));
    texts->push_back({phrases[i].text, phrases[i].boost});
  }
  return Status();
}

Status ReadOptions(const sv_stream_options* options, sottovoce::StreamOptions* read) {
  SV_RETURN_IF_ERROR(RequireStructSize(options, "options"));
  if (options == nullptr) return Status();
  if (options->beam != 0) read->beam_size = options->beam;
  if (options->alternatives != 0) read->alternatives = options->alternatives;
  SV_RETURN_IF_ERROR(ReadPhrases(options->biasing, options->num_biasing, &read->biasing));
  read->endpoint.silence_seconds = static_cast<double>(options->endpoint_silence_seconds);
  read->endpoint.max_seconds = static_cast<double>(options->endpoint_max_seconds);
  if (options->endpoint_min_speech_seconds != 0.0f) {
    read->endpoint.min_speech_seconds = static_cast<double>(options->endpoint_min_speech_seconds);
  }
  return Status();
}

sv_event_kind ToKind(sottovoce::RecognitionEvent::Kind kind) {
  using Kind = sottovoce::RecognitionEvent::Kind;
  return kind == Kind::kPartial ? SV_EVENT_PARTIAL : kind == Kind::kFinal ? SV_EVENT_FINAL : SV_EVENT_ENDPOINT;
}

sv_endpoint_reason ToReason(sottovoce::EndpointReason reason) {
  using Reason = sottovoce::EndpointReason;
  return reason == Reason::kSilence     ? SV_ENDPOINT_SILENCE
         : reason == Reason::kMaxLength ? SV_ENDPOINT_MAX_LENGTH
                                        : SV_ENDPOINT_NONE;
}

}  // namespace

sv_status sv_recognizer_open(const char* path, sv_recognizer** recognizer) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(path, "path"));
    SV_RETURN_IF_ERROR(RequireNotNull(recognizer, "recognizer"));
    SV_ASSIGN_OR_RETURN(auto opened, sottovoce::Recognizer::Open(path));
    *recognizer = new sv_recognizer{std::move(opened)};
    return Status();
  });
}

sv_status sv_recognizer_open_memory(const void* data, size_t bytes, sv_recognizer** recognizer) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(data, "data"));
    SV_RETURN_IF_ERROR(RequireNotNull(recognizer, "recognizer"));
    SV_ASSIGN_OR_RETURN(auto opened, sottovoce::Recognizer::OpenMemory(data, bytes));
    *recognizer = new sv_recognizer{std::move(opened)};
    return Status();
  });
}

void sv_recognizer_free(sv_recognizer* recognizer) {
  delete recognizer;
}

sv_status sv_recognizer_stream(const sv_recognizer* recognizer, const sv_stream_options* options, sv_stream** stream) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(recognizer, "recognizer"));
    SV_RETURN_IF_ERROR(RequireNotNull(stream, "stream"));
    sottovoce::StreamOptions read;
    SV_RETURN_IF_ERROR(ReadOptions(options, &read));
    SV_ASSIGN_OR_RETURN(auto created, recognizer->recognizer->CreateStream(read));
    *stream = new sv_stream{std::move(created), std::string()};
    return Status();
  });
}

sv_status sv_recognizer_accept_waveforms(const sv_recognizer* recognizer, const sv_waveform* waveforms,
                                         size_t num_waveforms) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(recognizer, "recognizer"));
    if (num_waveforms > 0) SV_RETURN_IF_ERROR(RequireNotNull(waveforms, "waveforms"));
    std::vector<sottovoce::StreamSamples> inputs;
    for (size_t i = 0; i < num_waveforms; ++i) {
      const sv_waveform& w = waveforms[i];
      SV_RETURN_IF_ERROR(RequireNotNull(w.stream, "stream"));
      if (w.num_samples > 0) SV_RETURN_IF_ERROR(RequireNotNull(w.samples, "samples"));
      inputs.push_back({w.stream->stream.get(), w.samples, w.num_samples, w.sample_rate, w.finish != 0});
    }
    return recognizer->recognizer->AcceptWaveforms(inputs.data(), inputs.size());
  });
}

sv_status sv_stream_accept_waveform(sv_stream* stream, const float* samples, size_t num_samples, int32_t sample_rate) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(stream, "stream"));
    if (num_samples > 0) SV_RETURN_IF_ERROR(RequireNotNull(samples, "samples"));
    return stream->stream->AcceptWaveform(samples, num_samples, sample_rate);
  });
}

sv_status sv_stream_set_biasing(sv_stream* stream, const sv_biasing_phrase* phrases, size_t num_phrases) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(stream, "stream"));
    std::vector<sottovoce::BiasingText> texts;
    SV_RETURN_IF_ERROR(ReadPhrases(phrases, num_phrases, &texts));
    return stream->stream->SetBiasing(texts);
  });
}

sv_status sv_stream_poll(sv_stream* stream, sv_event* event) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(stream, "stream"));
    SV_RETURN_IF_ERROR(RequireNotNull(event, "event"));
    SV_RETURN_IF_ERROR(RequireStructSize(event, "event"));
    if (stream->events.empty()) {
      for (sottovoce::RecognitionEvent& e : stream->stream->TakeEvents()) stream->events.push_back(std::move(e));
    }
    sv_event found{};
    found.struct_size = event->struct_size;
    found.text = "";
    if (!stream->events.empty()) {
      stream->polled = std::move(stream->events.front());
      stream->events.pop_front();
      const sottovoce::RecognitionEvent& e = stream->polled;
      stream->words.clear();
      for (const sottovoce::RecognizedWord& word : e.result.words) stream->words.push_back(ToWord(word));
      stream->alternatives.clear();
      for (const sottovoce::Alternative& a : e.alternatives) {
        stream->alternatives.push_back({a.text.c_str(), a.log_prob});
      }
      found.kind = ToKind(e.kind);
      found.reason = ToReason(e.reason);
      found.text = e.result.text.c_str();
      found.words = stream->words.data();
      found.num_words = stream->words.size();
      found.alternatives = stream->alternatives.data();
      found.num_alternatives = stream->alternatives.size();
      found.confidence = e.confidence;
      found.start_seconds = static_cast<float>(e.start_seconds);
      found.end_seconds = static_cast<float>(e.end_seconds);
      found.seconds = static_cast<float>(e.seconds);
    }
    *event = found;
    return Status();
  });
}

const char* sv_stream_partial(sv_stream* stream) {
  if (stream == nullptr) return "";
  const sv_status status = Guard([&]() -> Status {
    stream->partial = stream->stream->Partial();
    return Status();
  });
  return status == SV_OK ? stream->partial.c_str() : "";
}

sv_status sv_stream_finish(sv_stream* stream, sv_recognition_result** result) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(stream, "stream"));
    SV_RETURN_IF_ERROR(RequireNotNull(result, "result"));
    *result = new sv_recognition_result{stream->stream->Finish()};
    return Status();
  });
}

void sv_stream_free(sv_stream* stream) {
  delete stream;
}

const char* sv_recognition_result_text(const sv_recognition_result* result) {
  return result != nullptr ? result->result.text.c_str() : "";
}

size_t sv_recognition_result_num_words(const sv_recognition_result* result) {
  return result != nullptr ? result->result.words.size() : 0;
}

sv_status sv_recognition_result_word(const sv_recognition_result* result, size_t index, sv_word* word) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(result, "result"));
    SV_RETURN_IF_ERROR(RequireNotNull(word, "word"));
    SV_RETURN_IF_ERROR(RequireIndex(index, result->result.words.size(), "index"));
    *word = ToWord(result->result.words[index]);
    return Status();
  });
}

void sv_recognition_result_free(sv_recognition_result* result) {
  delete result;
}
