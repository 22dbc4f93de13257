#include "audio/feature_reader.h"

#include <utility>

#include "audio/samples.h"

namespace sottovoce {

Status FeatureReader::Prepare(const float* samples, size_t count, int sample_rate) {
  if (sample_rate < kMinSampleRate || sample_rate > kMaxSampleRate) {
    return InvalidArgument("sample rate: wanted 8000 to 192000 Hz, found " + std::to_string(sample_rate));
  }
  if (sample_rate_ != 0 && sample_rate_ != sample_rate) {
    return InvalidArgument("sample rate: wanted " + std::to_string(sample_rate_) +
                           " Hz as in the stream's earlier samples, found " + std::to_string(sample_rate));
  }
  SV_RETURN_IF_ERROR(CheckFiniteSamples(samples, count, num_samples_));
  if (sample_rate_ != 0) return Status();
  resampler_ = nullptr;
  const int model_rate = fbank_->options().sample_rate;
  if (sample_rate == model_rate) return Status();
  SV_ASSIGN_OR_RETURN(auto filters, ResamplerFilters::Create(sample_rate, model_rate));
  resampler_ = std::make_unique<Resampler>(std::move(filters));
  return Status();
}

void FeatureReader::SetInput(const float* samples, size_t count, int sample_rate) {
  sample_rate_ = sample_rate;
  num_samples_ += count;
  input_ = samples;
  input_left_ = count;
}

bool FeatureReader::Next(float* log_mels) {
  while (!frames_.Ready()) {
    if (ReadSamples()) continue;
    if (!finishing_ || ended_) return false;
    ended_ = true;
    frames_.Finish();
  }
  frames_.Read(log_mels);
  return true;
}

// Moves some samples on to frames_; false when there are none.
bool FeatureReader::ReadSamples() {
  if (resampler_ == nullptr) {
    if (input_left_ == 0) return false;
    const size_t taken = frames_.Accept(input_, input_left_);
    input_ += taken;
    input_left_ -= taken;
    return true;
  }
  if (block_at_ == block_end_) {
    block_at_ = 0;
    block_end_ = resampler_->Read(block_.data(), block_.size());
  }
  if (block_end_ > 0) {
    block_at_ += frames_.Accept(block_.data() + block_at_, block_end_ - block_at_);
    return true;
  }
  if (input_left_ > 0) {
    const size_t taken = resampler_->Accept(input_, input_left_);
    input_ += taken;
    input_left_ -= taken;
    return true;
  }
  if (!finishing_ || ended_) return false;
  resampler_->Finish();
  block_end_ = resampler_->Read(block_.data(), block_.size());
  return block_end_ > 0;
}

}  // namespace sottovoce
