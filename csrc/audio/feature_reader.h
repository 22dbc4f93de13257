// Samples of any rate in, log-mel frames out: rate checks, resampling, features, of one stream.
#pragma once

#include <array>
#include <memory>

#include "audio/fbank.h"
#include "audio/resampler.h"

namespace sottovoce {

class FeatureReader {
 public:
  static constexpr int kMinSampleRate = 8000, kMaxSampleRate = 192000;  // Hz

  explicit FeatureReader(std::shared_ptr<const Fbank> fbank) : fbank_(std::move(fbank)), frames_(fbank_) {}

  // Whether the next samples may come: a rate in range and that of the ones before, no NaN.
  Status Prepare(const float* samples, size_t count, int sample_rate);

  // The next samples, which passed Prepare(); they stay the caller's and are read by Next().
  void SetInput(const float* samples, size_t count, int sample_rate);
  // None will follow these.
  void Finish() { finishing_ = true; }

  // The next frame, (num_mels); false when the samples so far make none.
  bool Next(float* log_mels);

  size_t bytes() const {
    return sizeof(*this) + frames_.bytes() + (resampler_ != nullptr ? sizeof(Resampler) + resampler_->bytes() : 0);
  }

 private:
  bool ReadSamples();

  std::shared_ptr<const Fbank> fbank_;
  FbankStream frames_;
  std::unique_ptr<Resampler> resampler_;  // null at the features' own rate
  std::array<float, 1024> block_;         // samples at the features' rate
  size_t block_at_ = 0, block_end_ = 0;
  const float* input_ = nullptr;  // (input_left_) samples still to be read
  size_t input_left_ = 0;
  bool finishing_ = false;
  bool ended_ = false;   // all samples are in frames_
  int sample_rate_ = 0;  // Hz; 0 before the first samples
  size_t num_samples_ = 0;
};

}  // namespace sottovoce
