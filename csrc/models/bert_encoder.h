// A BERT-family encoder (post-LN Transformer) wholly described by its artifact. Immutable; any number of threads.
#pragma once

#include <string>
#include <vector>

#include "artifact/tensor_reader.h"
#include "nn/embedding.h"
#include "nn/ghost.h"
#include "nn/product.h"

namespace sottovoce {

enum class HiddenActivation { kGelu, kRelu };
enum class PoolerActivation { kNone, kTanh, kTanhRelu };
// What an activation quantizer has learned: nothing, bounds (low, high), or the step of a code.
enum class LearnedQuantizer { kNone, kClip, kStep };

struct BertConfig {
  int num_layers = 0;
  int hidden_size = 0;
  int num_heads = 0;
  int head_size = 0;
  int ffn_size = 0;
  int qkv_size = 0;
  int vocab_size = 0;
  int max_positions = 0;
  int type_vocab_size = 0;
  float layer_norm_epsilon = 1e-12f;
  HiddenActivation hidden_activation = HiddenActivation::kGelu;
  PoolerActivation pooler_activation = PoolerActivation::kTanh;
  ActivationQuantization activation;  // of the heads
  // Of the products but ffn.down, of ffn.down, and of attention's query, key and value, and weights. Products carry
  // what is learned for each.
  ActivationQuantizer products, ffn_down, operands, attention_weights;
  LearnedQuantizer learned_input = LearnedQuantizer::kNone, learned_operands = LearnedQuantizer::kNone;
  bool quantize_operands = false;
  int max_relative_position = 0;  // NEZHA's positions inside attention; 0: position embeddings
  int ghost_features = 0;         // GhostBERT's, after the attention output and after the feed-forward
  // Shares of the heads and neurons, and of the layers, that work alone (DynaBERT), in percent; empty: the whole only.
  std::vector<uint32_t> adaptive_widths, adaptive_depths;

  static Result<BertConfig> Read(const Artifact& artifact);
};

// Which part of an adaptive encoder to use.
struct SubNetwork {
  float width = 1.0f;  // share of the heads and neurons of each layer
  float depth = 1.0f;  // share of the layers
};

struct LayerNormWeights {
  const float* weight = nullptr;  // (hidden)
  const float* bias = nullptr;    // (hidden)
};

struct BertLayer {
  Product query, key, value, output;
  ActivationQuantizer operands[4];  // query, key, value, attention weights; used if config.quantize_operands
  Ghost attention_ghost;
  LayerNormWeights attention_norm;
  Product up, down;
  Ghost ffn_ghost;
  LayerNormWeights ffn_norm;
};

// Scratch of one forward pass; grows to the longest input seen, then allocates no more.
struct BertWorkspace {
  std::vector<float> hidden;     // (tokens, hidden)
  std::vector<float> qkv;        // (tokens, 3 qkv)
  std::vector<float> context;    // (tokens, qkv)
  std::vector<float> projected;  // (tokens, hidden)
  std::vector<float> ffn;        // (tokens, ffn)
  std::vector<float> attention;  // scratch of the attention kernel
  std::vector<float> pooled;     // (hidden)
  std::vector<float> second;     // of products whose halves quantize their input differently
  std::vector<float> neighbour;  // scratch of ghost features
  ActivationBuffer activations;
};

class BertEncoder {
 public:
  // Takes the tensors `embeddings.*`, `layer.*` and `pooler` from the reader; keeps those of the sub-network.
  static Result<BertEncoder> Load(const BertConfig& config, const SubNetwork& part, TensorReader& reader);

  const BertConfig& config() const { return config_; }

  // ids: (tokens), each in [0, vocab_size), tokens <= max_positions. Leaves the last hidden states in workspace.hidden.
  void Forward(const int32_t* ids, int tokens, BertWorkspace& workspace) const;

  // The sentence vector (hidden) from the [CLS] state in workspace.hidden: pooled, or that state itself without a
  // pooler.
  const float* Pool(BertWorkspace& workspace) const;

 private:
  static Result<BertLayer> LoadLayer(const BertConfig& config, const std::string& prefix, TensorReader& reader);
  Status Narrow(const SubNetwork& part);
  void Embed(const int32_t* ids, int tokens, BertWorkspace& workspace) const;
  void Project(const BertLayer& layer, int tokens, BertWorkspace& workspace) const;
  size_t QuantizedAttentionScratch(int tokens) const;
  void AttendQuantized(const BertLayer& layer, int tokens, BertWorkspace& workspace) const;
  void Attend(const BertLayer& layer, int tokens, BertWorkspace& workspace) const;
  void FeedForward(const BertLayer& layer, int tokens, BertWorkspace& workspace) const;

  BertConfig config_;
  Embedding word_, position_, token_type_;
  LayerNormWeights embedding_norm_;
  std::vector<float> relative_;  // (2 max_relative_position + 1, head_size)
  std::vector<BertLayer> layers_;
  Product pooler_;
};

}  // namespace sottovoce
