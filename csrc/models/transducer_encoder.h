// The streaming encoder of a Conv-Transformer Transducer: blocks of convolutions and causal Transformer layers.
#pragma once

#include <vector>

#include "artifact/tensor_reader.h"
#include "models/transducer_config.h"

namespace sottovoce {

// What one stream remembers between calls: all that a further stream costs.
struct EncoderCache {
  std::vector<ConvState> convs;
  std::vector<CausalLayerState> layers;
  std::vector<int> positions;  // of each block's next frame in its cycle

  size_t bytes() const {
    size_t bytes = positions.size() * sizeof(int);
    for (const ConvState& conv : convs) bytes += conv.frames.size() * sizeof(float);
    for (const CausalLayerState& layer : layers) bytes += layer.bytes();
    return bytes;
  }
};

// Scratch of calls; one for any number of streams that are not computed at the same moment.
struct EncoderWorkspace : CausalWorkspace {
  std::vector<float> even, odd;  // activations between layers, (frames, the widest layer)
  ConvWorkspace conv;
  std::vector<ConvRows> conv_rows;    // (streams)
  std::vector<LayerRows> layer_rows;  // (streams)
};

// A stream with scratch of its own.
struct EncoderState {
  EncoderCache cache;
  EncoderWorkspace workspace;
};

// One stream's part of a call that computes several.
struct EncoderRows {
  EncoderCache* cache;
  const float* features;  // (num_frames, num_mels), normalised
  int num_frames;         // at most max_frames()
  int num_encoded;        // out: encoder frames they completed
};

// Immutable; any number of threads, one state each.
class TransducerEncoder {
 public:
  // Takes the tensors `encoder.*` from the reader.
  static Result<TransducerEncoder> Load(const TransducerConfig& config, TensorReader& reader);

  // The most feature frames of a stream that a call takes, and the most encoder frames that it gives.
  int max_frames() const { return max_frames_; }
  int max_outputs() const { return MaxOutputs(max_frames_, 1); }
  // The most encoder frames that num_frames feature frames of num_streams streams together complete in one call.
  int MaxOutputs(int num_frames, int num_streams) const;

  // Bytes of a started cache.
  size_t CacheBytes() const;
  // Makes the cache ready for a new stream; allocates at the first call only.
  void Start(EncoderCache& cache) const;
  // Room for calls of up to num_frames feature frames (all streams together) of up to num_streams streams.
  void Reserve(EncoderWorkspace& workspace, int num_frames, int num_streams) const;
  // Both, for one stream and max_frames() frames.
  void Start(EncoderState& state) const;

  // encoded: (MaxOutputs(), encoder_dim), the frames of the first stream, then those of the next and so on. Returns how
  // many there are. All streams share every product, and each gets, bit for bit, what it would get alone, however its
  // features are cut.
  int ForwardBatch(EncoderRows* streams, int num_streams, EncoderWorkspace& workspace, float* encoded) const;

  // One stream. features: (num_frames, num_mels), normalised, num_frames <= max_frames(). encoded: (max_outputs(),
  // encoder_dim).
  int Forward(const float* features, int num_frames, EncoderState& state, float* encoded) const;

 private:
  struct Block {
    std::vector<StreamingConv> convs;
    std::vector<CausalLayer> layers;
    int cycle = 0;
    std::vector<double> frequencies;  // radians a frame, (model_dim / 2); of a block with a cycle
  };

  static void AddPositions(const Block& block, int num_frames, int* position, float* x);

  std::vector<Block> blocks_;
  NormWeights norm_;
  float norm_epsilon_ = 1e-5f;
  int dim_ = 0;
  int num_mels_ = 0;
  int max_frames_ = 0;
};

// One Transformer layer's tensors under `prefix` ("encoder.0.layer.1.").
Result<CausalLayer> LoadCausalLayer(TensorReader& reader, const std::string& prefix, const CausalLayerConfig& config);
Result<NormWeights> LoadNorm(TensorReader& reader, const std::string& stem, int size);

}  // namespace sottovoce
