#include "pipeline/speech_segments.h"

#include <cmath>
#include <string>
#include <utility>

namespace sottovoce {

Result<std::unique_ptr<SpeechSegmenter>> SpeechSegmenter::Create(const SpeechSegmentOptions& options) {
  const struct {
    const char* name;
    double value;
  } durations[] = {{"min silence", options.min_silence_seconds}, {"min speech", options.min_speech_seconds}};
  for (const auto& duration : durations) {
    if (!(duration.value >= 0.0 && duration.value <= 60.0)) {
      return InvalidArgument(std::string(duration.name) + ": wanted 0 to 60 seconds, found " +
                             std::to_string(duration.value));
    }
  }
  SV_ASSIGN_OR_RETURN(const FbankOptions features, FbankPreset("kaldi80"));
  SV_ASSIGN_OR_RETURN(auto fbank, Fbank::Create(features));
  return std::unique_ptr<SpeechSegmenter>(new SpeechSegmenter(options, std::move(fbank)));
}

SpeechSegmenter::SpeechSegmenter(const SpeechSegmentOptions& options, std::shared_ptr<const Fbank> fbank)
    : options_(options),
      reader_(fbank),
      voice_(fbank->num_mels()),
      frame_(static_cast<size_t>(fbank->num_mels())),
      hop_seconds_(static_cast<double>(fbank->options().hop_samples) / fbank->options().sample_rate) {}

Status SpeechSegmenter::AcceptWaveform(const float* samples, size_t count, int sample_rate) {
  if (finished_) return InvalidArgument("voice activity: wanted samples before finish, found them after it");
  SV_RETURN_IF_ERROR(reader_.Prepare(samples, count, sample_rate));
  reader_.SetInput(samples, count, sample_rate);
  ReadFrames();
  return Status();
}

void SpeechSegmenter::ReadFrames() {
  while (reader_.Next(frame_.data())) {
    const bool speech = voice_.Accept(frame_.data());
    if (speech) {
      if (first_ < 0) first_ = num_frames_;
      last_ = num_frames_;
    }
    ++num_frames_;
    const double silence = static_cast<double>(num_frames_ - 1 - last_) * hop_seconds_;
    if (first_ >= 0 && !speech && silence >= options_.min_silence_seconds) Close();
  }
}

void SpeechSegmenter::Close() {
  if (speaking()) {
    segments_.push_back({static_cast<double>(first_) * hop_seconds_, static_cast<double>(last_ + 1) * hop_seconds_});
  }
  first_ = -1;
}

void SpeechSegmenter::Finish() {
  if (finished_) return;
  reader_.Finish();
  ReadFrames();
  Close();
  finished_ = true;
}

bool SpeechSegmenter::speaking() const {
  return first_ >= 0 && static_cast<double>(last_ + 1 - first_) * hop_seconds_ >= options_.min_speech_seconds;
}

std::vector<SpeechSegment> SpeechSegmenter::TakeSegments() {
  return std::exchange(segments_, {});
}

}  // namespace sottovoce
