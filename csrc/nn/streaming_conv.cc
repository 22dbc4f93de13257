#include "nn/streaming_conv.h"

#include <algorithm>

namespace sottovoce {

void StreamingConv::Start(ConvState& state) const {
  const size_t size = static_cast<size_t>(config_.kernel_time - 1) * config_.in_size();
  if (state.frames.size() < size) state.frames.resize(size);
  state.held = config_.left();
  std::fill_n(state.frames.begin(), static_cast<size_t>(state.held) * config_.in_size(), 0.0f);
}

void StreamingConv::Reserve(ConvWorkspace& workspace, ActivationBuffer& activations, int max_frames,
                            int max_streams) const {
  const auto grow = [](std::vector<float>& buffer, size_t size) {
    if (buffer.size() < size) buffer.resize(size);
  };
  const ConvConfig& c = config_;
  if (c.kernel_time > 1) grow(workspace.frames, static_cast<size_t>(c.kernel_time - 1 + max_frames) * c.in_size());
  if (c.kernel_freq > 0) {
    grow(workspace.rows, static_cast<size_t>(c.out_freq()) * static_cast<size_t>(c.window_size()));
  }
  if (product_.quantized()) {
    activations.Reserve(c.kernel_freq == 0 ? c.MaxOutputs(max_frames, max_streams) : c.out_freq(), c.window_size());
  }
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

int StreamingConv::Forward(const float* x, ConvRows* streams, int num_streams, ConvWorkspace& workspace,
                           ActivationBuffer& activations, float* y) const {
  const ConvConfig& c = config_;
  const size_t size = c.in_size();
  const size_t out_channels = static_cast<size_t>(c.out_channels);
  const size_t window = static_cast<size_t>(c.window_size());
  const size_t step = static_cast<size_t>(c.stride_time) * size;
  // An activation's scale belongs to its row, so it does not matter which rows are quantized together.
  const ActivationQuantization quantization;
  int total = 0;
  for (int s = 0; s < num_streams; ++s) {
    ConvState& state = *streams[s].state;
    int num_frames = streams[s].num_frames;
    const float* frames = x;
    x += static_cast<size_t>(num_frames) * size;
    if (state.held < 0) {
      const int skipped = std::min(-state.held, num_frames);
      frames += static_cast<size_t>(skipped) * size;
      num_frames -= skipped;
      state.held += skipped;
    }
    if (c.kernel_time > 1 && state.held >= 0) {
      float* joined = workspace.frames.data();
      std::copy_n(state.frames.data(), static_cast<size_t>(state.held) * size, joined);
      std::copy_n(frames, static_cast<size_t>(num_frames) * size, joined + static_cast<size_t>(state.held) * size);
      frames = joined;
    }
    const int seen = state.held + num_frames;
    const int outputs = seen < c.kernel_time ? 0 : (seen - c.kernel_time) / c.stride_time + 1;
    float* out = y + static_cast<size_t>(total) * c.out_size();
    if (c.kernel_freq > 0) {
      for (int t = 0; t < outputs; ++t) {  // out_freq rows at a time are enough for a product
        Gather(frames + static_cast<size_t>(t) * step, workspace.rows.data());
        product_.Forward(workspace.rows.data(), c.out_freq(), window, quantization, activations,
                         out + static_cast<size_t>(t) * c.out_size(), out_channels);
      }
    } else if (product_.quantized()) {
      // Frames lie side by side, so a window is a row already: rows overlap, `step` floats apart.
      activations.QuantizeAt(total, frames, outputs, c.window_size(), step);
    } else {
      product_.Forward(frames, outputs, step, quantization, activations, out, out_channels);
    }
    state.held = seen - outputs * c.stride_time;
    if (state.held > 0) {
      std::copy_n(frames + static_cast<size_t>(outputs) * step, static_cast<size_t>(state.held) * size,
                  state.frames.data());
    }
    streams[s].num_frames = outputs;
    total += outputs;
  }
  if (total == 0) return 0;
  if (c.kernel_freq == 0 && product_.quantized()) {
    product_.ForwardQuantized(activations.Quantized(total, c.window_size()), y, out_channels);
  }
  Activate(c.activation, static_cast<size_t>(total) * c.out_size(), y);
  return total;
}

}  // namespace sottovoce
