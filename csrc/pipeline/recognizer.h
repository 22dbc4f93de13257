// Speech to text. A Recognizer is immutable: one serves any number of threads, each with streams of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "audio/fbank.h"
#include "models/transducer.h"
#include "search/words.h"

namespace sottovoce {

struct RecognitionResult {
  std::string text;
  std::vector<RecognizedWord> words;
};

class RecognizerStream;

class Recognizer : public std::enable_shared_from_this<Recognizer> {
 public:
  static constexpr int kMinSampleRate = 8000, kMaxSampleRate = 192000;  // Hz, of what a stream accepts

  static Result<std::shared_ptr<const Recognizer>> Open(const std::string& path);
  // The caller keeps `data` alive and unchanged as long as the recognizer and its streams live.
  static Result<std::shared_ptr<const Recognizer>> OpenMemory(const void* data, size_t bytes);

  // A new utterance. The stream keeps the recognizer alive.
  std::unique_ptr<RecognizerStream> CreateStream() const;

  // A whole utterance at once: a stream that gets everything and then Finish().
  Result<RecognitionResult> Recognize(const float* samples, size_t count, int sample_rate) const;

  const Transducer& model() const { return *model_; }
  const std::shared_ptr<const Fbank>& fbank() const { return fbank_; }
  double frame_seconds() const;  // duration of an encoder frame

 private:
  Recognizer() = default;
  static Result<std::shared_ptr<const Recognizer>> Load(std::shared_ptr<const Artifact> artifact);

  std::unique_ptr<const Transducer> model_;
  std::shared_ptr<const Fbank> fbank_;
};

// One utterance; one thread at a time. Text and words do not depend on how the audio is cut.
class RecognizerStream {
 public:
  explicit RecognizerStream(std::shared_ptr<const Recognizer> recognizer);
  ~RecognizerStream();

  // samples: (count) mono, finite, +-1 is full scale. sample_rate in Hz, the same in all calls of a stream. On an error
  // the stream is as before the call.
  Status AcceptWaveform(const float* samples, size_t count, int sample_rate);

  // The text so far.
  std::string Partial() const;

  // Ends the utterance: the last look-ahead sees normalised-zero frames. Calling it again gives the same result.
  RecognitionResult Finish();

  bool finished() const;
  const std::vector<DecodedToken>& tokens() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sottovoce
