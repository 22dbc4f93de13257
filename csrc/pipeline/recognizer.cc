#include "pipeline/recognizer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/cpu_features.h"
#include "text/utf8.h"

namespace sottovoce {
namespace {

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

Result<SentencePieceEncoder> MakePieces(const Artifact& artifact, const std::vector<std::string>& pieces) {
  std::string name = "bpe";  // older files do not say
  if (artifact.metadata().count("tokenizer.model") > 0) {
    SV_ASSIGN_OR_RETURN(name, artifact.GetString("tokenizer.model"));
  }
  const auto model = SentencePieceEncoder::ParseModel(name);
  if (!model.ok()) return Unsupported(artifact.name() + ": tokenizer.model: " + model.status().message());
  SV_ASSIGN_OR_RETURN(std::vector<float> scores, artifact.GetF32Array("tokenizer.scores"));
  auto encoder = SentencePieceEncoder::Create(*model, pieces, std::move(scores));
  if (!encoder.ok()) return DataLoss(artifact.name() + ": tokenizer.scores: " + encoder.status().message());
  return encoder;
}

// "'é' (U+00E9)": some cannot be seen.
std::string DescribeCharacter(const std::string& utf8) {
  char code[16];
  std::snprintf(code, sizeof code, "U+%04X", DecodeUtf8(utf8.data(), utf8.data() + utf8.size()).point);
  return "'" + utf8 + "' (" + code + ")";
}

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
  SV_ASSIGN_OR_RETURN(SentencePieceEncoder pieces, MakePieces(*artifact, recognizer->model_->pieces()));
  recognizer->pieces_ = std::make_unique<const SentencePieceEncoder>(std::move(pieces));
  if (artifact->metadata().count("search.beam") > 0) {
    SV_ASSIGN_OR_RETURN(const uint32_t beam, artifact->GetU32("search.beam"));
    if (beam < 1 || beam > static_cast<uint32_t>(kMaxBeamSize)) {
      return DataLoss(artifact->name() + ": search.beam: wanted 1 to " + std::to_string(kMaxBeamSize) + ", found " +
                      std::to_string(beam));
    }
    recognizer->default_beam_size_ = static_cast<int>(beam);
  }
  return std::shared_ptr<const Recognizer>(std::move(recognizer));
}

double Recognizer::frame_seconds() const {
  const FbankOptions& o = fbank_->options();
  return static_cast<double>(model_->config().stride) * o.hop_samples / o.sample_rate;
}

Result<std::shared_ptr<const BiasingGraph>> Recognizer::MakeBiasing(const std::vector<BiasingText>& phrases) const {
  std::vector<BiasingPhrase> graph;
  for (const BiasingText& text : phrases) {
    if (!(std::fabs(text.boost) <= 100.0f)) {
      return InvalidArgument("biasing phrase '" + text.phrase + "': wanted a boost in [-100, 100], found " +
                             std::to_string(text.boost));
    }
    std::string spaced = text.phrase;
    std::replace_if(
        spaced.begin(), spaced.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    const std::string written = pieces_->FoldCase(spaced);
    const std::string unknown = pieces_->FirstUnknown(written);
    if (!unknown.empty()) {
      return InvalidArgument("biasing phrase '" + text.phrase +
                             "': wanted characters of the model's vocabulary, found " + DescribeCharacter(unknown));
    }
    BiasingPhrase phrase{pieces_->Encode(written), text.boost};
    if (phrase.symbols.empty()) return InvalidArgument("biasing phrase: wanted text, found '" + text.phrase + "'");
    graph.push_back(std::move(phrase));
  }
  std::shared_ptr<const BiasingGraph> made;
  if (!graph.empty()) made = std::make_shared<const BiasingGraph>(graph);
  return made;
}

Result<std::unique_ptr<RecognizerStream>> Recognizer::CreateStream(const StreamOptions& options) const {
  const int beam_size = options.beam_size.value_or(default_beam_size_);
  if (beam_size < 1 || beam_size > kMaxBeamSize) {
    return InvalidArgument("beam: wanted 1 to " + std::to_string(kMaxBeamSize) + ", found " +
                           std::to_string(beam_size));
  }
  if (options.alternatives < 1 || options.alternatives > beam_size) {
    return InvalidArgument("alternatives: wanted 1 to the beam of " + std::to_string(beam_size) + ", found " +
                           std::to_string(options.alternatives));
  }
  const struct {
    const char* name;
    double seconds;
  } rules[] = {{"endpoint silence", options.endpoint.silence_seconds},
               {"endpoint min speech", options.endpoint.min_speech_seconds},
               {"endpoint max", options.endpoint.max_seconds}};
  for (const auto& rule : rules) {
    if (!(rule.seconds >= 0.0) || !std::isfinite(rule.seconds)) {
      return InvalidArgument(std::string(rule.name) + ": wanted seconds of at least 0, found " +
                             std::to_string(rule.seconds));
    }
  }
  for (const auto& [name, weight] :
       {std::pair("language model scale", options.lm_scale), std::pair("language model bonus", options.lm_bonus)}) {
    if (weight && !(std::fabs(*weight) <= 100.0f)) {
      return InvalidArgument(std::string(name) + ": wanted -100 to 100, found " + std::to_string(*weight));
    }
  }
  SV_ASSIGN_OR_RETURN(auto biasing, MakeBiasing(options.biasing));
  return std::make_unique<RecognizerStream>(shared_from_this(), options, std::move(biasing));
}

Status Recognizer::AcceptWaveforms(const StreamSamples* inputs, size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    const std::string which = "stream " + std::to_string(i);
    if (inputs[i].stream == nullptr) return InvalidArgument(which + ": wanted a stream, found none");
    if (&inputs[i].stream->recognizer() != this) {
      return InvalidArgument(which + ": wanted one of this recognizer, found another's");
    }
    for (size_t j = 0; j < i; ++j) {
      if (inputs[j].stream == inputs[i].stream) {
        return InvalidArgument(which + ": wanted each stream once, found stream " + std::to_string(j) + " again");
      }
    }
  }
  return RecognizerStream::Accept(inputs, count);
}

Result<RecognitionResult> Recognizer::Recognize(const float* samples, size_t count, int sample_rate) const {
  SV_ASSIGN_OR_RETURN(auto stream, CreateStream());
  SV_RETURN_IF_ERROR(stream->AcceptWaveform(samples, count, sample_rate));
  return stream->Finish();
}

}  // namespace sottovoce
