// Convolutions over time as products over gathered frames, one stream at a time. Centred: output t sees inputs
// stride t - left .. stride t + left, left = (kernel_time - 1) / 2; zeros before the start, nothing after the end.
#pragma once

#include <cstddef>
#include <vector>

#include "nn/linear.h"

namespace sottovoce {

struct ConvConfig {
  int kernel_time = 1;  // odd
  int kernel_freq = 0;  // odd; 0: a convolution over time alone
  int stride_time = 1;  // at most kernel_time
  int stride_freq = 1;
  int in_channels = 1;
  int in_freq = 1;  // bins of an input frame; 1 where kernel_freq is 0
  int out_channels = 1;
  bool relu = false;

  int left() const { return (kernel_time - 1) / 2; }
  int out_freq() const { return kernel_freq == 0 ? 1 : (in_freq - 1) / stride_freq + 1; }
  size_t in_size() const { return static_cast<size_t>(in_freq) * static_cast<size_t>(in_channels); }
  size_t out_size() const { return static_cast<size_t>(out_freq()) * static_cast<size_t>(out_channels); }
  // Inputs of one product: (time, freq, channel), oldest frame first.
  int window_size() const { return kernel_time * (kernel_freq == 0 ? 1 : kernel_freq) * in_channels; }
  // The most output frames that `frames` input frames can complete.
  int MaxOutputs(int frames) const { return frames / stride_time + 1; }
};

// The frames of one stream that outputs to come still need.
struct ConvState {
  std::vector<float> frames;  // (kernel_time - 1 + max_frames, in_size)
  int held = 0;
};

class StreamingConv {
 public:
  StreamingConv() = default;
  // product: (out_channels) x (window_size).
  StreamingConv(const ConvConfig& config, Linear product) : config_(config), product_(std::move(product)) {}

  const ConvConfig& config() const { return config_; }

  // Makes the state ready for a new stream and for calls of up to max_frames frames; allocates at the first call only.
  void Start(ConvState& state, int max_frames) const;

  // Floats of scratch that Forward needs.
  size_t ScratchSize() const;

  // Grows the buffer to the largest input that Forward quantizes.
  void Reserve(ActivationBuffer& activations, int max_frames) const;

  // x: (num_frames, in_freq, in_channels); y: (MaxOutputs(num_frames), out_freq, out_channels). Returns the number of
  // output frames.
  int Forward(const float* x, int num_frames, ConvState& state, ActivationBuffer& activations, float* scratch,
              float* y) const;

 private:
  void Gather(const float* window, float* rows) const;

  ConvConfig config_;
  Linear product_;
};

}  // namespace sottovoce
