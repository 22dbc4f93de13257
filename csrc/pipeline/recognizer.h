// Speech to text. A Recognizer is immutable: one serves any number of threads, each with streams of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audio/fbank.h"
#include "models/transducer.h"
#include "pipeline/words.h"
#include "search/biasing.h"
#include "search/endpoint.h"
#include "text/sentencepiece.h"

namespace sottovoce {

struct RecognitionResult {
  std::string text;
  std::vector<RecognizedWord> words;
};

// A phrase that is likelier than the model thinks; boost is added to the log probability of each of its symbols. Case
// does not matter to a vocabulary of one case.
struct BiasingText {
  std::string phrase;
  float boost = 1.5f;
};

struct StreamOptions {
  std::optional<int> beam_size;  // hypotheses; 1 is greedy search, none what the artifact says
  int alternatives = 1;          // hypotheses in a final event, at most beam_size
  std::vector<BiasingText> biasing;
  // Of the language model in the artifact, in a beam above 1: how much its log probabilities count (0: not at all) and
  // what each symbol gets for it. None: what the artifact says.
  std::optional<float> lm_scale, lm_bonus;
  EndpointRules endpoint;  // none by default
};

struct Alternative {
  std::string text;
  double log_prob = 0.0;
};

struct RecognitionEvent {
  enum class Kind { kPartial, kFinal, kEndpoint };
  Kind kind = Kind::kPartial;
  RecognitionResult result;    // partial: of the utterance so far; final: of the whole utterance
  float confidence = 0.0f;     // final: geometric mean of the words' confidences
  double start_seconds = 0.0;  // final: of its first and last word
  double end_seconds = 0.0;
  std::vector<Alternative> alternatives;  // final: best first
  double seconds = 0.0;                   // endpoint: where the utterance was found to be over
  EndpointReason reason = EndpointReason::kNone;
};

class RecognizerStream;

// What one of several streams gets in a call.
struct StreamSamples {
  RecognizerStream* stream;
  const float* samples;  // (count) as for RecognizerStream::AcceptWaveform()
  size_t count;
  int sample_rate;  // Hz
  bool finish;      // whether the stream ends with these
};

class Recognizer : public std::enable_shared_from_this<Recognizer> {
 public:
  static Result<std::shared_ptr<const Recognizer>> Open(const std::string& path);
  // The caller keeps `data` alive and unchanged as long as the recognizer and its streams live.
  static Result<std::shared_ptr<const Recognizer>> OpenMemory(const void* data, size_t bytes);

  static constexpr int kMaxBeamSize = 64;

  // A new stream of utterances; it keeps the recognizer alive. Refuses options out of range, phrases without text and
  // phrases with characters that the vocabulary cannot write.
  Result<std::unique_ptr<RecognizerStream>> CreateStream(const StreamOptions& options = {}) const;

  // The next samples of several streams of this recognizer, each stream once. They share every product, and each gets,
  // bit for bit, what it gets alone. On an error all streams are as before the call.
  Status AcceptWaveforms(const StreamSamples* inputs, size_t count) const;

  // A whole utterance at once: a stream that gets everything and then Finish().
  Result<RecognitionResult> Recognize(const float* samples, size_t count, int sample_rate) const;

  const Transducer& model() const { return *model_; }
  const std::shared_ptr<const Fbank>& fbank() const { return fbank_; }
  const SentencePieceEncoder& pieces() const { return *pieces_; }
  double frame_seconds() const;                                 // duration of an encoder frame
  int default_beam_size() const { return default_beam_size_; }  // of streams that do not say

  // The phrases in symbols of this model; null when there are none.
  Result<std::shared_ptr<const BiasingGraph>> MakeBiasing(const std::vector<BiasingText>& phrases) const;

 private:
  Recognizer() = default;
  static Result<std::shared_ptr<const Recognizer>> Load(std::shared_ptr<const Artifact> artifact);

  std::unique_ptr<const Transducer> model_;
  std::shared_ptr<const Fbank> fbank_;
  std::unique_ptr<const SentencePieceEncoder> pieces_;
  int default_beam_size_ = 1;
};

// Utterances one after another; one thread at a time. Words, finals and endpoints do not depend on how the audio is
// cut; partials come at most once a call. Times are seconds from the start of the stream.
class RecognizerStream {
 public:
  RecognizerStream(std::shared_ptr<const Recognizer> recognizer, const StreamOptions& options,
                   std::shared_ptr<const BiasingGraph> biasing);
  ~RecognizerStream();

  // samples: (count) mono, finite, +-1 is full scale. sample_rate in Hz, the same in all calls of a stream. On an error
  // the stream is as before the call.
  Status AcceptWaveform(const float* samples, size_t count, int sample_rate);

  // Phrases from the next utterance on, or from now when no symbol of this one has come yet.
  Status SetBiasing(const std::vector<BiasingText>& phrases);

  // What happened since the last call, oldest first.
  std::vector<RecognitionEvent> TakeEvents();

  // The text so far, of all utterances.
  std::string Partial() const;

  // Ends the stream: the last look-ahead sees normalised-zero frames. The result is that of all utterances. Calling it
  // again gives the same.
  RecognitionResult Finish();

  bool finished() const;
  // Memory of this stream, beside its results and what all streams of a model share.
  size_t state_bytes() const;
  // Of all utterances, the last one so far.
  std::vector<DecodedToken> tokens() const;

 private:
  friend class Recognizer;
  Status Prepare(const StreamSamples& input);
  static Status Accept(const StreamSamples* inputs, size_t count);
  static bool Decode(RecognizerStream* const* streams, size_t count, TransducerScratch& scratch);
  const Recognizer& recognizer() const;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sottovoce
