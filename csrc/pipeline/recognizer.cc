#include "pipeline/recognizer.h"

#include <algorithm>
#include <utility>

#include "audio/resampler.h"
#include "audio/samples.h"
#include "base/cpu_features.h"
#include "search/greedy.h"

namespace sottovoce {
namespace {

constexpr size_t kResampleBlock = 1024;  // samples

Result<FbankOptions> ReadFbankOptions(const Artifact& artifact) {
  FbankOptions options;
  const struct {
    const char* key;
    int* value;
  } sizes[] = {{"feature.sample_rate", &options.sample_rate},
               {"feature.num_mels", &options.num_mels},
               {"feature.window_samples", &options.window_samples},
               {"feature.hop_samples", &options.hop_samples},
               {"feature.fft_size", &options.fft_size}};
  for (const auto& size : sizes) {
    SV_ASSIGN_OR_RETURN(const uint32_t value, artifact.GetU32(size.key));
    *size.value = static_cast<int>(std::min<uint32_t>(value, 1u << 30));
  }
  const struct {
    const char* key;
    float* value;
  } numbers[] = {{"feature.preemphasis", &options.preemphasis},
                 {"feature.low_hz", &options.low_hz},
                 {"feature.high_hz", &options.high_hz},
                 {"feature.log_floor", &options.log_floor},
                 {"feature.log_offset", &options.log_offset}};
  for (const auto& number : numbers) {
    SV_ASSIGN_OR_RETURN(*number.value, artifact.GetF32(number.key));
  }
  SV_ASSIGN_OR_RETURN(options.remove_dc, artifact.GetBool("feature.remove_dc"));
  SV_ASSIGN_OR_RETURN(const std::string window, artifact.GetString("feature.window"));
  SV_ASSIGN_OR_RETURN(options.window, ParseWindowKind(window));
  SV_ASSIGN_OR_RETURN(const std::string mel_scale, artifact.GetString("feature.mel_scale"));
  SV_ASSIGN_OR_RETURN(options.mel_scale, ParseMelScale(mel_scale));
  return options;
}

class Scorer final : public TransducerScorer {
 public:
  explicit Scorer(const Transducer& model) : model_(model) { model_.StartLabels(labels_); }

  int vocab_size() const override { return model_.config().vocab_size; }
  const float* Logits(const float* frame) override { return model_.Join(frame, labels_); }
  void Append(int symbol) override { model_.AppendLabel(symbol, labels_); }

 private:
  const Transducer& model_;
  LabelState labels_;
};

}  // namespace

Result<std::shared_ptr<const Recognizer>> Recognizer::Open(const std::string& path) {
  SV_ASSIGN_OR_RETURN(auto artifact, Artifact::OpenFile(path));
  return Load(std::move(artifact));
}

Result<std::shared_ptr<const Recognizer>> Recognizer::OpenMemory(const void* data, size_t bytes) {
  SV_ASSIGN_OR_RETURN(auto artifact, Artifact::OpenMemory(data, bytes));
  return Load(std::move(artifact));
}

Result<std::shared_ptr<const Recognizer>> Recognizer::Load(std::shared_ptr<const Artifact> artifact) {
  SV_RETURN_IF_ERROR(IsaStatus());
  std::shared_ptr<Recognizer> recognizer(new Recognizer());
  SV_ASSIGN_OR_RETURN(recognizer->model_, Transducer::Load(artifact));
  const auto create = [&]() -> Result<std::shared_ptr<const Fbank>> {
    SV_ASSIGN_OR_RETURN(const FbankOptions options, ReadFbankOptions(*artifact));
    return Fbank::Create(options);
  };
  Result<std::shared_ptr<const Fbank>> fbank = create();
  // A setting out of range is no fault of the caller's here: the file is wrong.
  if (!fbank.ok() && fbank.status().code() == StatusCode::kInvalidArgument) {
    return DataLoss(artifact->name() + ": " + fbank.status().message());
  }
  SV_ASSIGN_OR_RETURN(recognizer->fbank_, std::move(fbank));
  return std::shared_ptr<const Recognizer>(std::move(recognizer));
}

double Recognizer::frame_seconds() const {
  const FbankOptions& o = fbank_->options();
  return static_cast<double>(model_->config().stride) * o.hop_samples / o.sample_rate;
}

std::unique_ptr<RecognizerStream> Recognizer::CreateStream() const {
  return std::make_unique<RecognizerStream>(shared_from_this());
}

Result<RecognitionResult> Recognizer::Recognize(const float* samples, size_t count, int sample_rate) const {
  auto stream = CreateStream();
  SV_RETURN_IF_ERROR(stream->AcceptWaveform(samples, count, sample_rate));
  return stream->Finish();
}

struct RecognizerStream::State {
  explicit State(std::shared_ptr<const Recognizer> from)
      : recognizer(std::move(from)), model(recognizer->model()), fbank(recognizer->fbank()), scorer(model) {
    const TransducerConfig& c = model.config();
    const size_t outputs = static_cast<size_t>(model.encoder().max_outputs());
    model.encoder().Start(encoder);
    model.ReserveProjection(encoder.workspace.activations, model.encoder().max_outputs());
    features.resize(static_cast<size_t>(model.encoder().max_frames()) * static_cast<size_t>(c.num_mels));
    encoded.resize(outputs * static_cast<size_t>(c.encoder_dim()));
    projected.resize(outputs * static_cast<size_t>(c.joiner_dim));
    tokens.reserve(256);
  }

  void AcceptFeatureRate(const float* samples, size_t count);
  void ReadFrames();
  void Encode();
  void Finish();

  std::shared_ptr<const Recognizer> recognizer;
  const Transducer& model;
  std::unique_ptr<Resampler> resampler;  // null at the model's own rate
  FbankStream fbank;
  EncoderState encoder;
  Scorer scorer;
  std::vector<float> features;   // (max_frames, num_mels), normalised, of which num_features are filled
  std::vector<float> encoded;    // (max_outputs, encoder_dim)
  std::vector<float> projected;  // (max_outputs, joiner_dim)
  std::vector<DecodedToken> tokens;
  int num_features = 0;
  int64_t num_encoded = 0;  // encoder frames searched
  int sample_rate = 0;      // Hz; 0 before the first samples
  size_t num_samples = 0;
  bool finished = false;
};

void RecognizerStream::State::Encode() {
  const int outputs = model.encoder().Forward(features.data(), num_features, encoder, encoded.data());
  num_features = 0;
  if (outputs == 0) return;
  model.ProjectEncoded(encoded.data(), outputs, encoder.workspace.activations, projected.data());
  const size_t dim = static_cast<size_t>(model.config().joiner_dim);
  for (int t = 0; t < outputs; ++t) {
    GreedyFrame(projected.data() + static_cast<size_t>(t) * dim, num_encoded++, {}, scorer, tokens);
  }
}

void RecognizerStream::State::ReadFrames() {
  const size_t mels = static_cast<size_t>(model.config().num_mels);
  while (fbank.Ready()) {
    float* frame = features.data() + static_cast<size_t>(num_features) * mels;
    fbank.Read(frame);
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
  finished = true;
}

RecognizerStream::RecognizerStream(std::shared_ptr<const Recognizer> recognizer)
    : state_(std::make_unique<State>(std::move(recognizer))) {}

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

std::string RecognizerStream::Partial() const {
  return JoinWords(TokensToWords(state_->tokens, state_->model.pieces(), state_->recognizer->frame_seconds()));
}

RecognitionResult RecognizerStream::Finish() {
  if (!state_->finished) state_->Finish();
  RecognitionResult result;
  result.words = TokensToWords(state_->tokens, state_->model.pieces(), state_->recognizer->frame_seconds());
  result.text = JoinWords(result.words);
  return result;
}

bool RecognizerStream::finished() const {
  return state_->finished;
}

const std::vector<DecodedToken>& RecognizerStream::tokens() const {
  return state_->tokens;
}

}  // namespace sottovoce
