// Sample rate conversion by a windowed sinc, streaming: the same output, bit for bit, however the input is cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"

namespace sottovoce {

// The filters of one pair of rates. Immutable, shared between threads.
class ResamplerFilters {
 public:
  static constexpr int kMinRate = 1000, kMaxRate = 768000;  // Hz

  static Result<std::shared_ptr<const ResamplerFilters>> Create(int from_rate, int to_rate);

  int up() const { return up_; }      // to_rate / gcd
  int down() const { return down_; }  // from_rate / gcd
  int taps() const { return taps_; }  // input samples an output looks at, half of them on each side

  // The output at `phase` / up() input samples after window[taps / 2 - 1]. window: (taps).
  float Apply(const float* window, int phase) const;

 private:
  ResamplerFilters(int up, int down);

  int up_, down_, taps_;
  int num_phases_;              // up(), or fewer with linear interpolation between neighbours
  std::vector<float> filters_;  // (num_phases + 1, taps)
};

// One utterance: outputs k is the input at time k * from / to, silence around it, ceil(n * to / from) outputs of n
// inputs. Nothing is allocated after construction.
class Resampler {
 public:
  explicit Resampler(std::shared_ptr<const ResamplerFilters> filters);

  // Takes up to `count` samples and returns how many; fewer than `count` only when outputs wait to be read.
  size_t Accept(const float* samples, size_t count);

  // No more samples: the last outputs see silence after the end.
  void Finish();

  // Writes up to `capacity` outputs and returns how many: fewer than `capacity` only when more input is needed.
  size_t Read(float* samples, size_t capacity);

  void Reset();

  size_t bytes() const { return buffer_.size() * sizeof(float); }

 private:
  std::shared_ptr<const ResamplerFilters> filters_;
  std::vector<float> buffer_;  // inputs first_ .. first_ + buffered_
  int64_t first_;              // input index of buffer_[0]; starts negative: silence before the utterance
  size_t buffered_;
  int64_t base_ = 0;  // floor of the next output's time, in input samples
  int phase_ = 0;     // its fraction, in 1 / up()
  int64_t num_inputs_ = 0;
  bool finished_ = false;
};

// A whole signal at once.
Result<std::vector<float>> Resample(const float* samples, size_t count, int from_rate, int to_rate);

}  // namespace sottovoce
