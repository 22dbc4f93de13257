// Convolutions over time as products over gathered frames, for one stream or several at once. Centred: output t sees
// inputs stride t - left .. stride t + left, left = (kernel_time - 1) / 2; zeros before the start, nothing after the
// end.
#pragma once

#include <cstddef>
#include <vector>

#include "nn/activation.h"
#include "nn/linear.h"

namespace sottovoce {

struct ConvConfig {
  int kernel_time = 1;  // odd
  int kernel_freq = 0;  // odd; 0: a convolution over time alone
  int stride_time = 1;
  int stride_freq = 1;
  int in_channels = 1;
  int in_freq = 1;  // bins of an input frame; 1 where kernel_freq is 0
  int out_channels = 1;
  Activation activation = Activation::kNone;

  int left() const { return (kernel_time - 1) / 2; }
  int out_freq() const { return kernel_freq == 0 ? 1 : (in_freq - 1) / stride_freq + 1; }
  size_t in_size() const { return static_cast<size_t>(in_freq) * static_cast<size_t>(in_channels); }
  size_t out_size() const { return static_cast<size_t>(out_freq()) * static_cast<size_t>(out_channels); }
  // Inputs of one product: (time, freq, channel), oldest frame first.
  int window_size() const { return kernel_time * (kernel_freq == 0 ? 1 : kernel_freq) * in_channels; }
  // The most output frames that `frames` input frames of `streams` streams can complete.
  int MaxOutputs(int frames, int streams = 1) const {
    return kernel_time == 1 && stride_time == 1 ? frames : frames / stride_time + streams;
  }
};

// The frames of one stream that outputs to come still need.
struct ConvState {
  std::vector<float> frames;  // (kernel_time - 1, in_size)
  int held = 0;               // below 0: as many of the next frames lie between windows
};

// The rows of one stream in a call that computes several; Forward replaces the number of its input frames by that of
// its output frames.
struct ConvRows {
  ConvState* state;
  int num_frames;
};

// Scratch of any convolutions it was reserved for.
struct ConvWorkspace {
  std::vector<float> frames;  // (kernel_time - 1 + frames of a stream, in_size): those held, then the new ones
  std::vector<float> rows;    // (out_freq, window_size), gathered by a conv2d
};

class StreamingConv {
 public:
  StreamingConv() = default;
  // product: (out_channels) x (window_size).
  StreamingConv(const ConvConfig& config, Linear product) : config_(config), product_(std::move(product)) {}

  const ConvConfig& config() const { return config_; }

  // Makes the state ready for a new stream; allocates at the first call only.
  void Start(ConvState& state) const;

  // Room for calls of up to max_frames frames, all streams together.
  void Reserve(ConvWorkspace& workspace, ActivationBuffer& activations, int max_frames, int max_streams) const;

  // x: the streams' frames, one stream after the other, (frames, in_freq, in_channels). y: the output frames in the
  // same order, (MaxOutputs(frames, num_streams), out_freq, out_channels). Returns how many there are. A stream's are,
  // bit for bit, what it gets alone, in any chunking.
  int Forward(const float* x, ConvRows* streams, int num_streams, ConvWorkspace& workspace,
              ActivationBuffer& activations, float* y) const;

 private:
  void Gather(const float* window, float* rows) const;

  ConvConfig config_;
  Linear product_;
};

}  // namespace sottovoce
