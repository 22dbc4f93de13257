#include "models/transducer_config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

namespace sottovoce {
namespace {

constexpr uint32_t kMaxBlocks = 16;
constexpr uint32_t kMaxConvs = 16;  // of a block
constexpr uint32_t kMaxLayers = 64;
constexpr uint32_t kMaxDim = 8192;
constexpr uint32_t kMaxFfn = 65536;
constexpr uint32_t kMaxHeads = 256;
constexpr uint32_t kMaxContext = 4096;
constexpr int kMaxLookAhead = 1 << 14;  // feature frames; a stream's end is padded with as many
constexpr uint32_t kMaxCycle = 1 << 20;
constexpr size_t kMaxPositions = 1 << 26;  // floats of projected positions, all layers together
constexpr int kMaxKernel = 63;
constexpr int kMaxStride = 64;  // of the whole encoder
constexpr size_t kMaxVocabulary = 1 << 17;
constexpr float kMaxWeight = 100.0f;  // of log probabilities

Status ReadSize(const Artifact& artifact, const std::string& key, uint32_t most, int* value) {
  SV_ASSIGN_OR_RETURN(const uint32_t found, artifact.GetU32(key));
  if (found < 1 || found > most) {
    return DataLoss(artifact.name() + ": " + key + ": wanted 1 to " + std::to_string(most) + ", found " +
                    std::to_string(found));
  }
  *value = static_cast<int>(found);
  return Status();
}

// One of two words; files without the key, which are older than it, mean the first.
template <typename Kind>
Result<Kind> ReadChoice(const Artifact& artifact, const std::string& key,
                        const std::pair<const char*, Kind> (&choices)[2]) {
  if (artifact.metadata().count(key) == 0) return choices[0].second;
  SV_ASSIGN_OR_RETURN(const std::string found, artifact.GetString(key));
  for (const auto& [name, kind] : choices) {
    if (found == name) return kind;
  }
  return Unsupported(artifact.name() + ": " + key + " is '" + found + "', wanted '" + choices[0].first + "' or '" +
                     choices[1].first + "'");
}

constexpr std::pair<const char*, PositionKind> kPositions[] = {{"learned_relative", PositionKind::kLearnedRelative},
                                                               {"transformer_xl", PositionKind::kTransformerXl}};
constexpr std::pair<const char*, Activation> kActivations[] = {
    {"relu", Activation::kRelu}, {"gelu", Activation::kGelu}};  // of feed-forward networks

// `prefix``name`: frames a layer, `count` of them. An array that may be `absent` is zeros then.
Result<std::vector<uint32_t>> ReadContexts(const Artifact& artifact, const std::string& key, uint32_t count,
                                           bool absent) {
  if (absent && artifact.metadata().count(key) == 0) return std::vector<uint32_t>(count);
  SV_ASSIGN_OR_RETURN(std::vector<uint32_t> contexts, artifact.GetU32Array(key));
  if (contexts.size() != count) {
    return DataLoss(artifact.name() + ": " + key + ": wanted " + std::to_string(count) + " entries, found " +
                    std::to_string(contexts.size()));
  }
  for (uint32_t context : contexts) {
    if (context > kMaxContext) {
      return DataLoss(artifact.name() + ": " + key + ": wanted at most " + std::to_string(kMaxContext) + ", found " +
                      std::to_string(context));
    }
  }
  return contexts;
}

// The Transformer layers under `prefix` ("encoder.0." or "predictor."). `grouped` ones may have fewer key-value heads.
Status ReadLayers(const Artifact& artifact, const std::string& prefix, bool grouped, float norm_epsilon, int* model_dim,
                  std::vector<CausalLayerConfig>* layers) {
  SV_RETURN_IF_ERROR(ReadSize(artifact, prefix + "model_dim", kMaxDim, model_dim));
  SV_ASSIGN_OR_RETURN(const uint32_t count, artifact.GetU32(prefix + "num_layers"));
  if (count > kMaxLayers) {
    return DataLoss(artifact.name() + ": " + prefix + "num_layers: wanted at most " + std::to_string(kMaxLayers) +
                    ", found " + std::to_string(count));
  }
  if (count == 0) return Status();
  CausalLayerConfig layer;
  layer.model_dim = *model_dim;
  layer.norm_epsilon = norm_epsilon;
  SV_RETURN_IF_ERROR(ReadSize(artifact, prefix + "num_heads", kMaxHeads, &layer.num_heads));
  SV_RETURN_IF_ERROR(ReadSize(artifact, prefix + "head_size", kMaxDim, &layer.head_size));
  SV_RETURN_IF_ERROR(ReadSize(artifact, prefix + "ffn_size", kMaxFfn, &layer.ffn_size));
  layer.num_kv_heads = layer.num_heads;
  if (grouped) SV_RETURN_IF_ERROR(ReadSize(artifact, prefix + "num_kv_heads", kMaxHeads, &layer.num_kv_heads));
  if (layer.num_heads % layer.num_kv_heads != 0) {
    return DataLoss(artifact.name() + ": " + prefix + "num_kv_heads: wanted a divisor of " +
                    std::to_string(layer.num_heads) + " heads, found " + std::to_string(layer.num_kv_heads));
  }
  if (layer.num_heads * layer.head_size > static_cast<int>(kMaxDim)) {
    return DataLoss(artifact.name() + ": " + prefix + "num_heads x head_size: wanted at most " +
                    std::to_string(kMaxDim) + ", found " + std::to_string(layer.num_heads * layer.head_size));
  }
  SV_ASSIGN_OR_RETURN(layer.position, ReadChoice(artifact, prefix + "position", kPositions));
  if (layer.position == PositionKind::kTransformerXl && layer.model_dim % 2 != 0) {
    return DataLoss(artifact.name() + ": " + prefix + "model_dim: wanted an even width for sines and cosines, found " +
                    std::to_string(layer.model_dim));
  }
  SV_ASSIGN_OR_RETURN(layer.activation, ReadChoice(artifact, prefix + "activation", kActivations));
  SV_ASSIGN_OR_RETURN(const std::vector<uint32_t> left, ReadContexts(artifact, prefix + "left_context", count, false));
  SV_ASSIGN_OR_RETURN(const std::vector<uint32_t> right, ReadContexts(artifact, prefix + "right_context", count, true));
  for (uint32_t l = 0; l < count; ++l) {
    layer.left_context = static_cast<int>(left[l]);
    layer.right_context = static_cast<int>(right[l]);
    if (!grouped && layer.right_context > 0) {
      return DataLoss(artifact.name() + ": " + prefix + "right_context: wanted none, found " +
                      std::to_string(right[l]));
    }
    layers->push_back(layer);
  }
  return Status();
}

Status ReadLabelNetwork(const Artifact& artifact, const std::string& prefix, float norm_epsilon,
                        PredictorConfig* config) {
  SV_RETURN_IF_ERROR(ReadSize(artifact, prefix + "embedding_dim", kMaxDim, &config->embedding_dim));
  return ReadLayers(artifact, prefix, false, norm_epsilon, &config->model_dim, &config->layers);
}

Result<float> ReadWeight(const Artifact& artifact, const std::string& key) {
  SV_ASSIGN_OR_RETURN(const float found, artifact.GetF32(key));
  if (!(std::fabs(found) <= kMaxWeight)) {
    return DataLoss(artifact.name() + ": " + key + ": wanted -100 to 100, found " + std::to_string(found));
  }
  return found;
}

// Follows the shape of the activations through the encoder.
struct Shape {
  int channels = 1;
  int freq = 0;  // 0: flattened, only conv1d from here on
};

Status AppendConv(const std::string& where, const std::string& text, Shape* shape, TransducerConfig* config) {
  Result<ConvConfig> parsed = ParseConv(text);
  if (!parsed.ok()) return DataLoss(where + ": " + parsed.status().message());
  ConvConfig conv = *parsed;
  if (conv.kernel_freq > 0) {
    if (shape->freq == 0) return DataLoss(where + ": a conv2d after a conv1d");
    conv.in_channels = shape->channels;
    conv.in_freq = shape->freq;
  } else {
    conv.in_channels = shape->channels * (shape->freq > 0 ? shape->freq : 1);
    conv.in_freq = 1;
  }
  shape->channels = conv.out_channels;
  shape->freq = conv.kernel_freq > 0 ? conv.out_freq() : 0;
  const int64_t flat = static_cast<int64_t>(shape->channels) * (shape->freq > 0 ? shape->freq : 1);
  const int64_t window =
      static_cast<int64_t>(conv.kernel_time) * (conv.kernel_freq > 0 ? conv.kernel_freq : 1) * conv.in_channels;
  if (window > kMaxGemmCols || flat > kMaxGemmCols) {
    return DataLoss(where + ": " + text + " has " + std::to_string(window) + " inputs and " + std::to_string(flat) +
                    " outputs, wanted at most " + std::to_string(kMaxGemmCols));
  }
  config->look_ahead += conv.left() * config->stride;
  config->stride *= conv.stride_time;
  if (config->stride > kMaxStride) {
    return DataLoss(where + ": the strides multiply to " + std::to_string(config->stride) + ", wanted at most " +
                    std::to_string(kMaxStride));
  }
  config->blocks.back().convs.push_back(conv);
  return Status();
}

Status ReadBlock(const Artifact& artifact, const std::string& prefix, Shape* shape, TransducerConfig* config) {
  EncoderBlockConfig& block = config->blocks.emplace_back();
  SV_ASSIGN_OR_RETURN(const std::vector<std::string> convs, artifact.GetStringArray(prefix + "convs"));
  if (convs.empty() || convs.size() > kMaxConvs) {
    return DataLoss(artifact.name() + ": " + prefix + "convs: wanted 1 to " + std::to_string(kMaxConvs) +
                    " convolutions, found " + std::to_string(convs.size()));
  }
  for (const std::string& text : convs) {
    SV_RETURN_IF_ERROR(AppendConv(artifact.name() + ": " + prefix + "convs", text, shape, config));
  }
  SV_RETURN_IF_ERROR(ReadLayers(artifact, prefix, true, config->norm_epsilon, &block.model_dim, &block.layers));
  for (const CausalLayerConfig& layer : block.layers) config->look_ahead += layer.right_context * config->stride;
  if (config->look_ahead > kMaxLookAhead) {
    return DataLoss(artifact.name() + ": " + prefix + "right_context: wanted at most " + std::to_string(kMaxLookAhead) +
                    " frames of look-ahead in all, found " + std::to_string(config->look_ahead));
  }
  if (artifact.metadata().count(prefix + "cycle") > 0) {
    SV_ASSIGN_OR_RETURN(const uint32_t cycle, artifact.GetU32(prefix + "cycle"));
    if (cycle > kMaxCycle || (cycle > 0 && (block.model_dim < 4 || block.model_dim % 2 != 0))) {
      return DataLoss(artifact.name() + ": " + prefix + "cycle: wanted 0, or at most " + std::to_string(kMaxCycle) +
                      " with an even width of 4 or more, found " + std::to_string(cycle) + " with width " +
                      std::to_string(block.model_dim));
    }
    block.cycle = static_cast<int>(cycle);
  }
  if (shape->freq != 0 || shape->channels != block.model_dim) {
    return DataLoss(artifact.name() + ": " + prefix + "convs: wanted a last conv1d of model_dim " +
                    std::to_string(block.model_dim) + " channels, found " + convs.back());
  }
  return Status();
}

}  // namespace

Result<ConvConfig> ParseConv(const std::string& text) {
  const auto bad = [&text](const char* wanted) {
    return DataLoss("convolution '" + text.substr(0, 100) + "': wanted " + wanted);
  };
  const bool two = text.compare(0, 7, "conv2d:") == 0;
  if (!two && text.compare(0, 7, "conv1d:") != 0) return bad("conv1d:... or conv2d:...");
  std::vector<int> values;
  for (size_t at = 7; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    if (comma == at || comma - at > 6) return bad("numbers of at most six digits");
    int value = 0;
    for (size_t i = at; i < comma; ++i) {
      if (text[i] < '0' || text[i] > '9') return bad("decimal digits");
      value = 10 * value + (text[i] - '0');
    }
    values.push_back(value);
    at = comma + 1;
  }
  if (values.size() != (two ? 6u : 4u)) return bad(two ? "six numbers" : "four numbers");
  ConvConfig conv;
  conv.kernel_time = values[0];
  conv.kernel_freq = two ? values[1] : 0;
  conv.stride_time = values[two ? 2 : 1];
  conv.stride_freq = two ? values[3] : 1;
  conv.out_channels = values[values.size() - 2];
  conv.activation = static_cast<Activation>(values.back());
  if (conv.kernel_time % 2 == 0 || conv.kernel_time > kMaxKernel) return bad("an odd kernel_time, 63 or less");
  if (two && (conv.kernel_freq % 2 == 0 || conv.kernel_freq > kMaxKernel)) return bad("an odd kernel_freq, 63 or less");
  if (conv.stride_time < 1 || conv.stride_time > kMaxKernel) return bad("a stride_time of 1 to 63");
  if (conv.stride_freq < 1 || conv.stride_freq > kMaxKernel) return bad("a stride_freq of 1 to 63");
  if (conv.out_channels < 1 || conv.out_channels > static_cast<int>(kMaxDim)) return bad("1 to 8192 channels");
  if (values.back() > 2) return bad("an activation of 0 (none), 1 (ReLU) or 2 (GELU)");
  return conv;
}

Result<TransducerConfig> TransducerConfig::Read(const Artifact& artifact) {
  TransducerConfig config;
  SV_RETURN_IF_ERROR(ReadSize(artifact, "feature.num_mels", 1024, &config.num_mels));
  SV_ASSIGN_OR_RETURN(config.norm_epsilon, artifact.GetF32("encoder.norm_epsilon"));
  if (!(config.norm_epsilon > 0.0f && config.norm_epsilon < 1.0f)) {
    return DataLoss(artifact.name() + ": encoder.norm_epsilon: wanted above 0 and below 1, found " +
                    std::to_string(config.norm_epsilon));
  }
  int num_blocks = 0;
  SV_RETURN_IF_ERROR(ReadSize(artifact, "encoder.num_blocks", kMaxBlocks, &num_blocks));
  Shape shape;
  shape.freq = config.num_mels;
  for (int b = 0; b < num_blocks; ++b) {
    SV_RETURN_IF_ERROR(ReadBlock(artifact, "encoder." + std::to_string(b) + ".", &shape, &config));
  }
  SV_RETURN_IF_ERROR(ReadLabelNetwork(artifact, "predictor.", config.norm_epsilon, &config.predictor));
  if (artifact.metadata().count("language_model.embedding_dim") > 0) {
    LanguageModelConfig& language = config.language_model.emplace();
    SV_RETURN_IF_ERROR(ReadLabelNetwork(artifact, "language_model.", config.norm_epsilon, &language.network));
    SV_ASSIGN_OR_RETURN(language.scale, ReadWeight(artifact, "language_model.scale"));
    SV_ASSIGN_OR_RETURN(language.internal, ReadWeight(artifact, "language_model.internal"));
    SV_ASSIGN_OR_RETURN(language.bonus, ReadWeight(artifact, "language_model.bonus"));
  }
  // Projected positions are memory that the file does not pay for in bytes.
  size_t positions = 0;
  const auto count = [&positions](const CausalLayerConfig& layer) {
    if (layer.position == PositionKind::kLearnedRelative) return;
    positions += static_cast<size_t>(layer.window()) * static_cast<size_t>(layer.num_heads * layer.head_size);
  };
  for (const EncoderBlockConfig& block : config.blocks) {
    for (const CausalLayerConfig& layer : block.layers) count(layer);
  }
  for (const CausalLayerConfig& layer : config.predictor.layers) count(layer);
  if (config.language_model) {
    for (const CausalLayerConfig& layer : config.language_model->network.layers) count(layer);
  }
  if (positions > kMaxPositions) {
    return DataLoss(artifact.name() + ": frames in sight x num_heads x head_size of all layers: wanted at most " +
                    std::to_string(kMaxPositions) + ", found " + std::to_string(positions));
  }
  SV_RETURN_IF_ERROR(ReadSize(artifact, "joiner.dim", kMaxDim, &config.joiner_dim));
  SV_ASSIGN_OR_RETURN(const std::vector<std::string> pieces, artifact.GetStringArray("tokenizer.pieces"));
  if (pieces.size() < 2 || pieces.size() > kMaxVocabulary) {
    return DataLoss(artifact.name() + ": tokenizer.pieces: wanted 2 to " + std::to_string(kMaxVocabulary) +
                    " pieces, found " + std::to_string(pieces.size()));
  }
  config.vocab_size = static_cast<int>(pieces.size());
  return config;
}

}  // namespace sottovoce
