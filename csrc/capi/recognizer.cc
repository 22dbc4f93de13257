#include "pipeline/recognizer.h"

#include <memory>
#include <string>
#include <utility>

#include "capi/guard.h"

using sottovoce::Status;
using sottovoce::capi::Guard;
using sottovoce::capi::RequireIndex;
using sottovoce::capi::RequireNotNull;

struct sv_recognizer {
  std::shared_ptr<const sottovoce::Recognizer> recognizer;
};

struct sv_stream {
  std::unique_ptr<sottovoce::RecognizerStream> stream;
  std::string partial;  // what sv_stream_partial last returned
};

struct sv_recognition_result {
  sottovoce::RecognitionResult result;
};

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

sv_status sv_recognizer_stream(const sv_recognizer* recognizer, sv_stream** stream) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(recognizer, "recognizer"));
    SV_RETURN_IF_ERROR(RequireNotNull(stream, "stream"));
    SV_ASSIGN_OR_RETURN(auto created, recognizer->recognizer->CreateStream());
    *stream = new sv_stream{std::move(created), std::string()};
    return Status();
  });
}

sv_status sv_stream_accept_waveform(sv_stream* stream, const float* samples, size_t num_samples, int32_t sample_rate) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(stream, "stream"));
    if (num_samples > 0) SV_RETURN_IF_ERROR(RequireNotNull(samples, "samples"));
    return stream->stream->AcceptWaveform(samples, num_samples, sample_rate);
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
    const sottovoce::RecognizedWord& source = result->result.words[index];
    *word = {source.text.c_str(), static_cast<float>(source.start_seconds), static_cast<float>(source.end_seconds),
             static_cast<float>(source.confidence)};
    return Status();
  });
}

void sv_recognition_result_free(sv_recognition_result* result) {
  delete result;
}
