// The encoder's shape from the artifact's metadata, with caps so that a hostile file cannot ask for absurd sizes.
#include <cmath>
#include <string>

#include "models/bert_encoder.h"

namespace sottovoce {
namespace {

constexpr uint32_t kMaxLayers = 128;
constexpr uint32_t kMaxWidth = 1 << 16;
constexpr uint32_t kMaxVocabulary = 1 << 22;
constexpr uint32_t kMaxRelativePosition = 1 << 12;
constexpr uint32_t kMaxGhostFeatures = 64;

bool Has(const Artifact& artifact, const char* key) {
  return artifact.metadata().count(key) > 0;
}

// A size that most models do not name: `absent` then.
Result<int> OptionalSize(const Artifact& artifact, const char* key, uint32_t most, int absent) {
  if (!Has(artifact, key)) return absent;
  SV_ASSIGN_OR_RETURN(const uint32_t value, artifact.GetU32(key));
  if (value == 0 || value > most) {
    return DataLoss(artifact.name() + ": " + key + " must be in [1, " + std::to_string(most) + "], found " +
                    std::to_string(value));
  }
  return static_cast<int>(value);
}

// The value of a word; an absent key counts as the first of them.
template <typename T>
struct Choice {
  const char* name;
  T value;
};
template <typename T, size_t kCount>
Status Choose(const Artifact& artifact, const char* key, const Choice<T> (&choices)[kCount], T* value,
              bool optional = false) {
  if (optional && !Has(artifact, key)) {
    *value = choices[0].value;
    return Status();
  }
  SV_ASSIGN_OR_RETURN(const std::string found, artifact.GetString(key));
  std::string wanted;
  for (const Choice<T>& choice : choices) {
    if (found == choice.name) {
      *value = choice.value;
      return Status();
    }
    wanted += (wanted.empty() ? "'" : " or '") + std::string(choice.name) + "'";
  }
  return Unsupported(artifact.name() + ": " + key + " is '" + found + "', wanted " + wanted);
}

constexpr Choice<Granularity> kGranularities[] = {{"token", Granularity::kPerToken},
                                                  {"tensor", Granularity::kPerTensor}};
constexpr Choice<HiddenActivation> kHidden[] = {{"gelu", HiddenActivation::kGelu}, {"relu", HiddenActivation::kRelu}};
constexpr Choice<PoolerActivation> kPooler[] = {
    {"none", PoolerActivation::kNone}, {"tanh", PoolerActivation::kTanh}, {"tanh_relu", PoolerActivation::kTanhRelu}};
constexpr Choice<bool> kPositions[] = {{"absolute", false}, {"relative", true}};
constexpr Choice<LearnedQuantizer> kInputQuantizers[] = {
    {"dynamic", LearnedQuantizer::kNone}, {"clipped", LearnedQuantizer::kClip}, {"stepped", LearnedQuantizer::kStep}};
constexpr Choice<int> kOperandQuantizers[] = {{"none", -1}, {"dynamic", 0}, {"clipped", 1}, {"stepped", 2}};

// NEZHA's positions and GhostBERT's features.
Status ReadVariants(const Artifact& artifact, BertConfig* config) {
  bool relative = false;
  SV_RETURN_IF_ERROR(Choose(artifact, "bert.position", kPositions, &relative, true));
  if (relative) {
    SV_ASSIGN_OR_RETURN(config->max_relative_position,
                        OptionalSize(artifact, "bert.max_relative_position", kMaxRelativePosition, 0));
    if (config->max_relative_position == 0) {
      return DataLoss(artifact.name() + ": bert.position is 'relative', wanted bert.max_relative_position");
    }
  }
  SV_ASSIGN_OR_RETURN(config->ghost_features, OptionalSize(artifact, "bert.ghost_features", kMaxGhostFeatures, 0));
  return Status();
}

// How the inputs of encoder products and the operands of attention become integers.
Status ReadQuantizers(const Artifact& artifact, BertConfig* config) {
  SV_ASSIGN_OR_RETURN(const int bits, OptionalSize(artifact, "bert.activation_bits", 8, 8));
  if (bits != 4 && bits != 8) {
    return Unsupported(artifact.name() + ": bert.activation_bits is " + std::to_string(bits) + ", wanted 4 or 8");
  }
  int operands = -1;
  SV_RETURN_IF_ERROR(Choose(artifact, "bert.input_quantizer", kInputQuantizers, &config->learned_input, true));
  SV_RETURN_IF_ERROR(Choose(artifact, "bert.attention_quantizer", kOperandQuantizers, &operands, true));
  config->quantize_operands = operands >= 0;
  config->learned_operands = operands == 1   ? LearnedQuantizer::kClip
                             : operands == 2 ? LearnedQuantizer::kStep
                                             : LearnedQuantizer::kNone;
  float attention_clip = 0.0f;
  if (Has(artifact, "bert.attention_clip")) {
    SV_ASSIGN_OR_RETURN(attention_clip, artifact.GetF32("bert.attention_clip"));
    if (!(attention_clip >= 0.0f) || !std::isfinite(attention_clip)) {
      return DataLoss(artifact.name() + ": bert.attention_clip must not be negative");
    }
  }
  const struct {
    const char* role;
    ActivationQuantizer* quantizer;
    float clip;
  } roles[] = {{"products", &config->products, config->activation.clip},
               {"ffn.down", &config->ffn_down, config->activation.clip},
               {"attention.operands", &config->operands, attention_clip},
               {"attention.weights", &config->attention_weights, attention_clip}};
  for (const auto& role : roles) {
    role.quantizer->granularity = config->activation.granularity;
    role.quantizer->top = (1 << (bits - 1)) - 1;
    role.quantizer->low = -role.clip;
    role.quantizer->high = role.clip;
  }
  SV_ASSIGN_OR_RETURN(const std::vector<std::string> asymmetric, artifact.GetStringArray("bert.asymmetric_inputs"));
  for (const std::string& name : asymmetric) {
    bool known = false;
    for (const auto& role : roles) {
      if (name != role.role) continue;
      role.quantizer->symmetric = false;
      known = true;
    }
    if (!known) {
      return Unsupported(artifact.name() + ": bert.asymmetric_inputs holds '" + name +
                         "', wanted products, ffn.down, attention.operands or attention.weights");
    }
  }
  return Status();
}

}  // namespace

Result<BertConfig> BertConfig::Read(const Artifact& artifact) {
  BertConfig config;
  const struct {
    const char* key;
    int* value;
    uint32_t most;
  } sizes[] = {{"bert.num_layers", &config.num_layers, kMaxLayers},
               {"bert.hidden_size", &config.hidden_size, kMaxWidth},
               {"bert.num_heads", &config.num_heads, kMaxWidth},
               {"bert.head_size", &config.head_size, kMaxWidth},
               {"bert.ffn_size", &config.ffn_size, kMaxWidth},
               {"bert.qkv_size", &config.qkv_size, kMaxWidth},
               {"bert.vocab_size", &config.vocab_size, kMaxVocabulary},
               {"bert.max_positions", &config.max_positions, kMaxWidth},
               {"bert.type_vocab_size", &config.type_vocab_size, kMaxWidth}};
  for (const auto& size : sizes) {
    SV_ASSIGN_OR_RETURN(const uint32_t value, artifact.GetU32(size.key));
    if (value == 0 || value > size.most) {
      return DataLoss(artifact.name() + ": " + size.key + " must be in [1, " + std::to_string(size.most) + "], found " +
                      std::to_string(value));
    }
    *size.value = static_cast<int>(value);
  }
  if (static_cast<int64_t>(config.num_heads) * config.head_size != config.qkv_size) {
    return DataLoss(artifact.name() + ": bert.qkv_size is " + std::to_string(config.qkv_size) + ", wanted num_heads " +
                    std::to_string(config.num_heads) + " x head_size " + std::to_string(config.head_size));
  }
  if (config.max_positions < 3) {
    return DataLoss(artifact.name() + ": bert.max_positions must be at least 3, found " +
                    std::to_string(config.max_positions));
  }
  SV_ASSIGN_OR_RETURN(config.layer_norm_epsilon, artifact.GetF32("bert.layer_norm_epsilon"));
  SV_ASSIGN_OR_RETURN(config.activation.clip, artifact.GetF32("bert.activation_clip"));
  if (!(config.layer_norm_epsilon >= 0.0f) || !(config.activation.clip >= 0.0f) ||
      !std::isfinite(config.layer_norm_epsilon) || !std::isfinite(config.activation.clip)) {
    return DataLoss(artifact.name() + ": bert.layer_norm_epsilon and bert.activation_clip must not be negative");
  }

  SV_RETURN_IF_ERROR(Choose(artifact, "bert.activation_granularity", kGranularities, &config.activation.granularity));
  SV_RETURN_IF_ERROR(Choose(artifact, "bert.hidden_activation", kHidden, &config.hidden_activation));
  SV_RETURN_IF_ERROR(Choose(artifact, "bert.pooler_activation", kPooler, &config.pooler_activation));
  SV_RETURN_IF_ERROR(ReadVariants(artifact, &config));
  SV_RETURN_IF_ERROR(ReadQuantizers(artifact, &config));
  const struct {
    const char* key;
    std::vector<uint32_t>* value;
  } shares[] = {{"bert.adaptive_widths", &config.adaptive_widths}, {"bert.adaptive_depths", &config.adaptive_depths}};
  for (const auto& share : shares) {
    SV_ASSIGN_OR_RETURN(*share.value, artifact.GetU32Array(share.key));
    for (uint32_t percent : *share.value) {
      if (percent == 0 || percent > 100) {
        return DataLoss(artifact.name() + ": " + share.key + " must hold percents in [1, 100], found " +
                        std::to_string(percent));
      }
    }
  }
  return config;
}

}  // namespace sottovoce
