// The encoder's shape from the artifact's metadata, with caps so that a hostile file cannot ask for absurd sizes.
#include <cmath>
#include <string>

#include "models/bert_encoder.h"

namespace sottovoce {
namespace {

constexpr uint32_t kMaxLayers = 128;
constexpr uint32_t kMaxWidth = 1 << 16;
constexpr uint32_t kMaxVocabulary = 1 << 22;

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

  const auto choose = [&](const char* key, const auto& choices, auto* value) -> Status {
    SV_ASSIGN_OR_RETURN(const std::string found, artifact.GetString(key));
    std::string wanted;
    for (const auto& choice : choices) {
      if (found == choice.name) {
        *value = choice.value;
        return Status();
      }
      wanted += (wanted.empty() ? "'" : " or '") + std::string(choice.name) + "'";
    }
    return Unsupported(artifact.name() + ": " + key + " is '" + found + "', wanted " + wanted);
  };
  static constexpr struct {
    const char* name;
    Granularity value;
  } kGranularities[] = {{"token", Granularity::kPerToken}, {"tensor", Granularity::kPerTensor}};
  static constexpr struct {
    const char* name;
    HiddenActivation value;
  } kHidden[] = {{"gelu", HiddenActivation::kGelu}, {"relu", HiddenActivation::kRelu}};
  static constexpr struct {
    const char* name;
    PoolerActivation value;
  } kPooler[] = {
      {"none", PoolerActivation::kNone}, {"tanh", PoolerActivation::kTanh}, {"tanh_relu", PoolerActivation::kTanhRelu}};
  SV_RETURN_IF_ERROR(choose("bert.activation_granularity", kGranularities, &config.activation.granularity));
  SV_RETURN_IF_ERROR(choose("bert.hidden_activation", kHidden, &config.hidden_activation));
  SV_RETURN_IF_ERROR(choose("bert.pooler_activation", kPooler, &config.pooler_activation));
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
