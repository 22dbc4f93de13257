// Log-mel features, streaming: the same frames, bit for bit, however the samples are cut into chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "audio/fbank_options.h"
#include "audio/mel_filters.h"
#include "audio/real_fft.h"

namespace sottovoce {

// The tables of one feature setting. Immutable, shared between threads.
class Fbank {
 public:
  static Result<std::shared_ptr<const Fbank>> Create(const FbankOptions& options);

  const FbankOptions& options() const { return options_; }
  int num_mels() const { return options_.num_mels; }

  // Frames of an utterance of `num_samples` samples: frame t is centred on sample hop (t + 1/2), edges mirrored.
  int64_t NumFrames(int64_t num_samples) const;

  // frame: (fft_size) of which the first window_samples hold samples; overwritten. scratch: (2 fft_size).
  // mels: (num_mels).
  void ComputeFrame(float* frame, float* scratch, float* mels) const;

 private:
  explicit Fbank(const FbankOptions& options);

  FbankOptions options_;
  std::vector<float> window_;  // (window_samples)
  RealFft fft_;
  MelFilters filters_;
};

// One utterance. Use: while samples remain { consumed = Accept(...); while (Ready()) Read(mels); } Finish(); while
// (Ready()) Read(mels). Nothing is allocated after construction.
class FbankStream {
 public:
  explicit FbankStream(std::shared_ptr<const Fbank> fbank);

  // Takes up to `count` finite samples in +-1 and returns how many it took: fewer than `count` only when Ready().
  size_t Accept(const float* samples, size_t count);

  // No more samples: frames that reach past the end become ready, mirrored there.
  void Finish() { finished_ = true; }

  bool Ready() const;

  // The next frame; call only when Ready(). mels: (num_mels).
  void Read(float* mels);

  // Back to the start of an utterance.
  void Reset();

  size_t bytes() const { return (samples_.size() + frame_.size() + scratch_.size()) * sizeof(float); }

 private:
  int64_t FrameStart(int64_t frame) const;  // first sample of the frame; negative at the left edge

  std::shared_ptr<const Fbank> fbank_;
  std::vector<float> samples_;  // samples first_sample_ .. first_sample_ + buffered_ of the utterance
  std::vector<float> frame_;    // (fft_size)
  std::vector<float> scratch_;  // (2 fft_size)
  int64_t first_sample_ = 0;
  size_t buffered_ = 0;
  int64_t next_frame_ = 0;
  bool finished_ = false;
};

}  // namespace sottovoce
