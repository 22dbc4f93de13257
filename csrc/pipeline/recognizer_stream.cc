// Streams: samples -> features -> encoder frames -> search -> events, for one or several in a call.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "pipeline/recognizer.h"
#include "pipeline/stream_features.h"
#include "pipeline/stream_search.h"

namespace sottovoce {
namespace {

constexpr size_t kMaxStreams = 16;  // that share a product

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
        features(model, recognizer->fbank()),
        search(model, options.beam_size.value_or(recognizer->default_beam_size()),
               options.lm_scale.value_or(language().scale), options.lm_bonus.value_or(language().bonus), biasing,
               model.BorrowScratch()->labels) {
    model.encoder().Start(encoder);
  }

  LanguageModelConfig language() const { return model.config().language_model.value_or(LanguageModelConfig()); }
  void JudgeFrame(int64_t index, LabelWorkspace& workspace);
  void EndUtterance(LabelWorkspace& workspace);
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
  StreamFeatures features;
  EncoderCache encoder;
  StreamSearch search;
  std::vector<DecodedToken> done;  // of the utterances before this one
  std::vector<RecognizedWord> done_words;
  std::vector<RecognitionEvent> events;
  std::string last_partial;
  int64_t num_encoded = 0;  // encoder frames searched
  bool finished = false;
};

// Looks for an endpoint after encoder frame `index` was searched.
void RecognizerStream::State::JudgeFrame(int64_t index, LabelWorkspace& workspace) {
  if (options.endpoint.silence_seconds <= 0.0 && options.endpoint.max_seconds <= 0.0) return;
  // However the audio was cut, the features that this encoder frame depends on have been heard, and no others count.
  const TransducerConfig& c = model.config();
  const double quiet = features.QuietSeconds(index * c.stride + c.look_ahead + 1);
  const std::vector<DecodedToken>& tokens = search.tokens();
  if (tokens.empty()) return;
  const double frame_seconds = recognizer->frame_seconds();
  const double now = static_cast<double>(index + 1) * frame_seconds;
  const EndpointReason reason =
      DetectEndpoint(options.endpoint, static_cast<double>(tokens.front().frame) * frame_seconds,
                     static_cast<double>(tokens.back().frame + 1) * frame_seconds, now, quiet);
  if (reason == EndpointReason::kNone) return;
  EndUtterance(workspace);
  RecognitionEvent event;
  event.kind = RecognitionEvent::Kind::kEndpoint;
  event.seconds = now;
  event.reason = reason;
  events.push_back(std::move(event));
}

// Reports the utterance, if any symbol came, and starts the next.
void RecognizerStream::State::EndUtterance(LabelWorkspace& workspace) {
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
  search.Start(biasing, workspace);
}

// Reads, encodes and searches features of the streams, of each as many as its share of a call. How many at a time does
// not matter to any of them. Returns whether there may be more.
bool RecognizerStream::Decode(RecognizerStream* const* streams, size_t count, TransducerScratch& scratch) {
  const Transducer& model = streams[0]->state_->model;
  std::array<EncoderRows, kMaxStreams> rows;
  std::array<State*, kMaxStreams> states;
  size_t busy = 0;
  bool more = false;
  const int share = model.encoder().max_frames() / static_cast<int>(count);
  float* features = scratch.features.data();
  for (size_t s = 0; s < count; ++s) {
    State& state = *streams[s]->state_;
    const int read = state.features.Read(features, share);
    more |= read == share;
    if (read == 0) continue;
    rows[busy] = {&state.encoder, features, read, 0};
    states[busy++] = &state;
    features += static_cast<size_t>(read) * static_cast<size_t>(model.config().num_mels);
  }
  if (busy == 0) return false;
  const int outputs =
      model.encoder().ForwardBatch(rows.data(), static_cast<int>(busy), scratch.encoder, scratch.encoded.data());
  model.ProjectEncoded(scratch.encoded.data(), outputs, scratch.encoder.activations, scratch.projected.data());
  std::array<const float*, kMaxStreams> projected;
  const float* next = scratch.projected.data();
  const size_t dim = static_cast<size_t>(model.config().joiner_dim);
  int longest = 0;
  for (size_t s = 0; s < busy; ++s) {
    projected[s] = next;
    next += static_cast<size_t>(rows[s].num_encoded) * dim;
    longest = std::max(longest, rows[s].num_encoded);
  }
  for (int t = 0; t < longest; ++t) {
    std::array<StreamFrame, kMaxStreams> frames;
    size_t num_frames = 0;
    for (size_t s = 0; s < busy; ++s) {
      if (t >= rows[s].num_encoded) continue;
      frames[num_frames++] = {&states[s]->search, projected[s] + static_cast<size_t>(t) * dim, states[s]->num_encoded};
    }
    SearchFrames(model, frames.data(), num_frames, scratch.labels);
    for (size_t s = 0; s < busy; ++s) {
      if (t < rows[s].num_encoded) states[s]->JudgeFrame(states[s]->num_encoded++, scratch.labels);
    }
  }
  return more;
}

Status RecognizerStream::Prepare(const StreamSamples& input) {
  if (state_->finished) {
    return InvalidArgument("stream: wanted samples before finish, found them after it; open a new stream");
  }
  if (input.count == 0 && input.finish) return Status();
  return state_->features.Prepare(input.samples, input.count, input.sample_rate);
}

Status RecognizerStream::Accept(const StreamSamples* inputs, size_t count) {
  // All is checked before anything is done.
  for (size_t i = 0; i < count; ++i) SV_RETURN_IF_ERROR(inputs[i].stream->Prepare(inputs[i]));
  for (size_t i = 0; i < count; ++i) {
    StreamFeatures& features = inputs[i].stream->state_->features;
    if (inputs[i].count > 0 || !inputs[i].finish) {
      features.SetInput(inputs[i].samples, inputs[i].count, inputs[i].sample_rate);
    }
    if (inputs[i].finish) features.Finish();
  }
  for (size_t begin = 0; begin < count; begin += kMaxStreams) {
    const size_t group = std::min(count - begin, kMaxStreams);
    std::array<RecognizerStream*, kMaxStreams> streams;
    int beam_sizes = 0;
    for (size_t s = 0; s < group; ++s) {
      streams[s] = inputs[begin + s].stream;
      beam_sizes += streams[s]->state_->search.beam_size();
    }
    const ScratchLease scratch =
        streams[0]->state_->model.BorrowScratch(static_cast<int>(group), LabelRows(beam_sizes));
    while (Decode(streams.data(), group, *scratch)) {
    }
  }
  for (size_t i = 0; i < count; ++i) {
    State& state = *inputs[i].stream->state_;
    if (!inputs[i].finish) continue;
    state.EndUtterance(state.model.BorrowScratch()->labels);
    state.finished = true;
  }
  return Status();
}

RecognizerStream::RecognizerStream(std::shared_ptr<const Recognizer> recognizer, const StreamOptions& options,
                                   std::shared_ptr<const BiasingGraph> biasing)
    : state_(std::make_unique<State>(std::move(recognizer), options, std::move(biasing))) {}

RecognizerStream::~RecognizerStream() = default;

Status RecognizerStream::AcceptWaveform(const float* samples, size_t count, int sample_rate) {
  const StreamSamples input{this, samples, count, sample_rate, false};
  return Accept(&input, 1);
}

Status RecognizerStream::SetBiasing(const std::vector<BiasingText>& phrases) {
  SV_ASSIGN_OR_RETURN(state_->biasing, state_->recognizer->MakeBiasing(phrases));
  if (state_->search.tokens().empty() && !state_->finished) {
    state_->search.Start(state_->biasing, state_->model.BorrowScratch()->labels);
  }
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
  const StreamSamples end{this, nullptr, 0, 0, true};
  if (!state_->finished) (void)Accept(&end, 1);  // nothing in it can be wrong
  RecognitionResult result;
  result.words = state_->done_words;
  result.text = JoinWords(result.words);
  return result;
}

bool RecognizerStream::finished() const {
  return state_->finished;
}

size_t RecognizerStream::state_bytes() const {
  return state_->features.bytes() + state_->encoder.bytes() + state_->search.bytes();
}

const Recognizer& RecognizerStream::recognizer() const {
  return *state_->recognizer;
}

std::vector<DecodedToken> RecognizerStream::tokens() const {
  std::vector<DecodedToken> all = state_->done;
  const std::vector<DecodedToken>& open = state_->search.tokens();
  all.insert(all.end(), open.begin(), open.end());
  return all;
}

}  // namespace sottovoce
