#include "nn/streaming_conv.h"

#include <algorithm>
#include <cstring>

namespace sottovoce {

void StreamingConv::Start(ConvState& state, int max_frames) const {
  const size_t size = static_cast<size_t>(config_.kernel_time - 1 + max_frames) * config_.in_size();
  if (state.frames.size() < size) state.frames.resize(size);
  state.held = config_.left();
  std::fill_n(state.frames.begin(), static_cast<size_t>(state.held) * config_.in_size(), 0.0f);
}

size_t StreamingConv::ScratchSize() const {
  if (config_.kernel_freq == 0) return 0;
  return static_cast<size_t>(config_.out_freq()) * static_cast<size_t>(config_.window_size());
}

void StreamingConv::Reserve(ActivationBuffer& activations, int max_frames) const {
  activations.Reserve(config_.kernel_freq == 0 ? config_.MaxOutputs(max_frames) : config_.out_freq(),
                      config_.window_size());
}

void StreamingConv::Gather(const float* window, float* rows) const {
  const int side = (config_.kernel_freq - 1) / 2;
  const size_t channels = static_cast<size_t>(config_.in_channels);
  for (int f = 0; f < config_.out_freq(); ++f) {
    const int low = f * config_.stride_freq - side;
    // Bins below the lowest and above the highest are zeros.
    const int first = std::max(low, 0);
    const int last = std::min(low + config_.kernel_freq, config_.in_freq);
    for (int t = 0; t < config_.kernel_time; ++t) {
      const float* frame = window + static_cast<size_t>(t) * config_.in_size();
      const size_t before = static_cast<size_t>(first - low) * channels;
      const size_t inside = static_cast<size_t>(last - first) * channels;
      const size_t all = static_cast<size_t>(config_.kernel_freq) * channels;
      std::fill_n(rows, before, 0.0f);
      std::copy_n(frame + static_cast<size_t>(first) * channels, inside, rows + before);
      std::fill_n(rows + before + inside, all - before - inside, 0.0f);
      rows += all;
    }
  }
}

int StreamingConv::Forward(const float* x, int num_frames, ConvState& state, ActivationBuffer& activations,
                           float* scratch, float* y) const {
  const ConvConfig& c = config_;
  float* frames = state.frames.data();
  std::copy_n(x, static_cast<size_t>(num_frames) * c.in_size(), frames + static_cast<size_t>(state.held) * c.in_size());
  state.held += num_frames;
  if (state.held < c.kernel_time) return 0;
  const int outputs = (state.held - c.kernel_time) / c.stride_time + 1;
  const size_t step = static_cast<size_t>(c.stride_time) * c.in_size();
  const size_t out_channels = static_cast<size_t>(c.out_channels);
  // An activation's scale belongs to its row, so it does not matter which rows are quantized together.
  const ActivationQuantization quantization;
  if (c.kernel_freq == 0) {
    // Frames lie side by side, so a window is a row already: rows overlap, `step` floats apart.
    product_.Forward(frames, outputs, step, quantization, activations, y, out_channels);
  } else {
    const size_t window = static_cast<size_t>(c.window_size());
    for (int t = 0; t < outputs; ++t) {
      Gather(frames + static_cast<size_t>(t) * step, scratch);
      product_.Forward(scratch, c.out_freq(), window, quantization, activations,
                       y + static_cast<size_t>(t) * c.out_size(), out_channels);
    }
  }
  if (c.relu) Relu(y, static_cast<size_t>(outputs) * c.out_size(), y);
  const int dropped = outputs * c.stride_time;
  state.held -= dropped;
  std::memmove(frames, frames + static_cast<size_t>(dropped) * c.in_size(),
               static_cast<size_t>(state.held) * c.in_size() * sizeof(float));
  return outputs;
}

}  // namespace sottovoce
