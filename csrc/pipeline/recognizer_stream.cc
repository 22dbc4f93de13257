// One stream: samples -> features -> encoder frames -> search -> events.
#include <algorithm>
#include <cmath>
#include <utility>

#include "audio/resampler.h"
#include "audio/samples.h"
#include "audio/voice_activity.h"
#include "pipeline/recognizer.h"
#include "pipeline/stream_search.h"

namespace sottovoce {
namespace {

constexpr size_t kResampleBlock = 1024;  // samples

// Geometric mean of the confidences of words.
float MeanConfidence(const std::vector<RecognizedWord>& words) {
  double sum = 0.0;
  for (const RecognizedWord& word : words) sum += std::log(std::max(word.confidence, 1e-30f));
  return words.empty() ? 0.0f : static_cast<float>(std::exp(sum / static_cast<double>(words.size())));
}

}  // namespace

struct RecognizerStream::State {
  State(std::shared_ptr<const Recognizer> from, const StreamOptions& stream_options,
        std::shared_ptr<const BiasingGraph> phrases)
      : recognizer(std::move(from)),
        model(recognizer->model()),
        options(stream_options),
        biasing(std::move(phrases)),
        fbank(recognizer->fbank()),
        search(model, options.beam_size, biasing),
        hop_seconds(static_cast<double>(recognizer->fbank()->options().hop_samples) /
                    recognizer->fbank()->options().sample_rate) {
    const TransducerConfig& c = model.config();
    const size_t outputs = static_cast<size_t>(model.encoder().max_outputs());
    model.encoder().Start(encoder);
    model.ReserveProjection(encoder.workspace.activations, model.encoder().max_outputs());
    features.resize(static_cast<size_t>(model.encoder().max_frames()) * static_cast<size_t>(c.num_mels));
    encoded.resize(outputs * static_cast<size_t>(c.encoder_dim()));
    projected.resize(outputs * static_cast<size_t>(c.joiner_dim));
    speech.resize(static_cast<size_t>(2 * (model.encoder().max_frames() + c.look_ahead + c.stride)));
  }

  void AcceptFeatureRate(const float* samples, size_t count);
  void ReadFrames();
  void Encode();
  void SearchFrame(const float* frame);
  void EndUtterance();
  void Finish();
  std::vector<RecognizedWord> Words(const std::vector<DecodedToken>& tokens) const {
    return TokensToWords(tokens, model.pieces(), recognizer->frame_seconds());
  }
  RecognitionResult Current() const {
    RecognitionResult result;
    result.words = Words(search.tokens());
    result.text = JoinWords(result.words);
    return result;
  }

  std::shared_ptr<const Recognizer> recognizer;
  const Transducer& model;
  StreamOptions options;
  std::shared_ptr<const BiasingGraph> biasing;
  std::unique_ptr<Resampler> resampler;  // null at the model's own rate
  FbankStream fbank;
  VoiceActivityDetector voice;
  EncoderState encoder;
  StreamSearch search;
  double hop_seconds;
  std::vector<float> features;     // (max_frames, num_mels), normalised, of which num_features are filled
  std::vector<float> encoded;      // (max_outputs, encoder_dim)
  std::vector<float> projected;    // (max_outputs, joiner_dim)
  std::vector<uint8_t> speech;     // by feature frame, in a circle: was it speech?
  std::vector<DecodedToken> done;  // of the utterances before this one
  std::vector<RecognizedWord> done_words;
  std::vector<RecognitionEvent> events;
  std::string last_partial;
  int num_features = 0;
  int64_t num_heard = 0;     // feature frames of audio read
  int64_t num_judged = 0;    // of these, looked at by the endpoint rules
  int64_t last_speech = -1;  // the last of the judged ones that was speech
  int64_t num_encoded = 0;   // encoder frames searched
  int sample_rate = 0;       // Hz; 0 before the first samples
  size_t num_samples = 0;
  bool finished = false;
};

void RecognizerStream::State::Encode() {
  const int outputs = model.encoder().Forward(features.data(), num_features, encoder, encoded.data());
  num_features = 0;
  if (outputs == 0) return;
  model.ProjectEncoded(encoded.data(), outputs, encoder.workspace.activations, projected.data());
  const size_t dim = static_cast<size_t>(model.config().joiner_dim);
  for (int t = 0; t < outputs; ++t) SearchFrame(projected.data() + static_cast<size_t>(t) * dim);
}

void RecognizerStream::State::SearchFrame(const float* frame) {
  const int64_t index = num_encoded++;
  search.Frame(frame, index);
  if (options.endpoint.silence_seconds <= 0.0 && options.endpoint.max_seconds <= 0.0) return;
  // However the audio was cut, the features that this encoder frame depends on have been heard, and no others count.
  const TransducerConfig& c = model.config();
  const int64_t horizon = std::min(num_heard, index * c.stride + c.look_ahead + 1);
  for (; num_judged < horizon; ++num_judged) {
    if (speech[static_cast<size_t>(num_judged) % speech.size()] != 0) last_speech = num_judged;
  }
  const std::vector<DecodedToken>& tokens = search.tokens();
  if (tokens.empty()) return;
  const double frame_seconds = recognizer->frame_seconds();
  const double now = static_cast<double>(index + 1) * frame_seconds;
  const double quiet = static_cast<double>(num_judged - 1 - last_speech) * hop_seconds;
  const EndpointReason reason =
      DetectEndpoint(options.endpoint, static_cast<double>(tokens.front().frame) * frame_seconds,
                     static_cast<double>(tokens.back().frame + 1) * frame_seconds, now, quiet);
  if (reason == EndpointReason::kNone) return;
  EndUtterance();
  RecognitionEvent event;
  event.kind = RecognitionEvent::Kind::kEndpoint;
  event.seconds = now;
  event.reason = reason;
  events.push_back(std::move(event));
}

// Reports the utterance, if any symbol came, and starts the next.
void RecognizerStream::State::EndUtterance() {
  const std::vector<DecodedToken>& tokens = search.tokens();
  if (!tokens.empty()) {
    RecognitionEvent event;
    event.kind = RecognitionEvent::Kind::kFinal;
    event.result = Current();
    if (!event.result.words.empty()) {
      event.start_seconds = event.result.words.front().start_seconds;
      event.end_seconds = event.result.words.back().end_seconds;
    }
    event.confidence = MeanConfidence(event.result.words);
    for (const Hypothesis& hypothesis : search.NBest(options.alternatives)) {
      event.alternatives.push_back({JoinWords(Words(hypothesis.tokens)), hypothesis.log_prob});
    }
    done.insert(done.end(), tokens.begin(), tokens.end());
    done_words.insert(done_words.end(), event.result.words.begin(), event.result.words.end());
    events.push_back(std::move(event));
  }
  last_partial.clear();
  search.Start(biasing);
}

void RecognizerStream::State::ReadFrames() {
  const size_t mels = static_cast<size_t>(model.config().num_mels);
  while (fbank.Ready()) {
    float* frame = features.data() + static_cast<size_t>(num_features) * mels;
    fbank.Read(frame);
    speech[static_cast<size_t>(num_heard++) % speech.size()] = voice.Accept(frame, static_cast<int>(mels)) ? 1 : 0;
    model.Normalize(frame);
    if (++num_features == model.encoder().max_frames()) Encode();
  }
}

void RecognizerStream::State::AcceptFeatureRate(const float* samples, size_t count) {
  for (size_t at = 0; at < count;) {
    at += fbank.Accept(samples + at, count - at);
    ReadFrames();
  }
}

void RecognizerStream::State::Finish() {
  if (resampler != nullptr) {
    resampler->Finish();
    float block[kResampleBlock];
    for (size_t got; (got = resampler->Read(block, kResampleBlock)) > 0;) AcceptFeatureRate(block, got);
  }
  fbank.Finish();
  ReadFrames();
  const size_t mels = static_cast<size_t>(model.config().num_mels);
  for (int i = 0; i < model.config().look_ahead; ++i) {
    std::fill_n(features.data() + static_cast<size_t>(num_features) * mels, mels, 0.0f);
    if (++num_features == model.encoder().max_frames()) Encode();
  }
  if (num_features > 0) Encode();
  EndUtterance();
  finished = true;
}

RecognizerStream::RecognizerStream(std::shared_ptr<const Recognizer> recognizer, const StreamOptions& options,
                                   std::shared_ptr<const BiasingGraph> biasing)
    : state_(std::make_unique<State>(std::move(recognizer), options, std::move(biasing))) {}

RecognizerStream::~RecognizerStream() = default;

Status RecognizerStream::AcceptWaveform(const float* samples, size_t count, int sample_rate) {
  State& s = *state_;
  if (s.finished)
    return InvalidArgument("stream: wanted samples before finish, found them after it; open a new stream");
  if (sample_rate < Recognizer::kMinSampleRate || sample_rate > Recognizer::kMaxSampleRate) {
    return InvalidArgument("sample rate: wanted 8000 to 192000 Hz, found " + std::to_string(sample_rate));
  }
  if (s.sample_rate != 0 && s.sample_rate != sample_rate) {
    return InvalidArgument("sample rate: wanted " + std::to_string(s.sample_rate) +
                           " Hz as in the stream's earlier samples, found " + std::to_string(sample_rate));
  }
  SV_RETURN_IF_ERROR(CheckFiniteSamples(samples, count, s.num_samples));
  const int model_rate = s.recognizer->fbank()->options().sample_rate;
  if (s.sample_rate == 0 && sample_rate != model_rate) {
    SV_ASSIGN_OR_RETURN(auto filters, ResamplerFilters::Create(sample_rate, model_rate));
    s.resampler = std::make_unique<Resampler>(std::move(filters));
  }
  s.sample_rate = sample_rate;
  s.num_samples += count;
  if (s.resampler == nullptr) {
    s.AcceptFeatureRate(samples, count);
  } else {
    float block[kResampleBlock];
    for (size_t at = 0; at < count;) {
      at += s.resampler->Accept(samples + at, count - at);
      for (size_t got; (got = s.resampler->Read(block, kResampleBlock)) > 0;) s.AcceptFeatureRate(block, got);
    }
  }
  if (s.num_features > 0) s.Encode();
  return Status();
}

Status RecognizerStream::SetBiasing(const std::vector<BiasingText>& phrases) {
  SV_ASSIGN_OR_RETURN(state_->biasing, state_->recognizer->MakeBiasing(phrases));
  if (state_->search.tokens().empty() && !state_->finished) state_->search.Start(state_->biasing);
  return Status();
}

std::vector<RecognitionEvent> RecognizerStream::TakeEvents() {
  State& s = *state_;
  RecognitionResult current = s.finished ? RecognitionResult() : s.Current();
  if (current.text != s.last_partial && !current.text.empty()) {
    s.last_partial = current.text;
    RecognitionEvent event;
    event.result = std::move(current);
    s.events.push_back(std::move(event));
  }
  return std::exchange(s.events, {});
}

std::string RecognizerStream::Partial() const {
  std::vector<RecognizedWord> words = state_->done_words;
  const std::vector<RecognizedWord> open = state_->Words(state_->search.tokens());
  words.insert(words.end(), open.begin(), open.end());
  return JoinWords(words);
}

RecognitionResult RecognizerStream::Finish() {
  if (!state_->finished) state_->Finish();
  RecognitionResult result;
  result.words = state_->done_words;
  result.text = JoinWords(result.words);
  return result;
}

bool RecognizerStream::finished() const {
  return state_->finished;
}

std::vector<DecodedToken> RecognizerStream::tokens() const {
  std::vector<DecodedToken> all = state_->done;
  const std::vector<DecodedToken>& open = state_->search.tokens();
  all.insert(all.end(), open.begin(), open.end());
  return all;
}

}  // namespace sottovoce
