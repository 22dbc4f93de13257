// The encoder from an artifact's tensors, each product with the numbers its activation quantizer has learned.
#include <cmath>
#include <utility>

#include "models/bert_encoder.h"
#include "models/load_layers.h"

namespace sottovoce {
namespace {

// `base` with the learned numbers that begin at `learned`.
Result<ActivationQuantizer> Learned(ActivationQuantizer base, LearnedQuantizer kind, const float* learned,
                                    const std::string& where) {
  if (kind == LearnedQuantizer::kClip) {
    base.low = learned[0];
    base.high = learned[1];
    if (!std::isfinite(base.low) || !std::isfinite(base.high) || !(base.low < base.high)) {
      return DataLoss(where + ": wanted finite bounds low < high, found " + std::to_string(base.low) + ", " +
                      std::to_string(base.high));
    }
  } else {
    base.step = learned[0];
    if (!std::isfinite(base.step) || !std::isfinite(1.0f / base.step) || !(base.step > 0.0f)) {
      return DataLoss(where + ": wanted a positive finite step, found " + std::to_string(base.step));
    }
  }
  return base;
}

int LearnedNumbers(LearnedQuantizer kind) {
  return kind == LearnedQuantizer::kClip ? 2 : 1;
}

Result<Product> LoadProduct(const BertConfig& config, const ActivationQuantizer& base, TensorReader& reader,
                            const std::string& stem, int rows, int cols) {
  SV_ASSIGN_OR_RETURN(Linear linear, LoadLinear(reader, stem, rows, cols));
  std::vector<ActivationQuantizer> input = {base};
  if (config.learned_input != LearnedQuantizer::kNone) {
    const bool clip = config.learned_input == LearnedQuantizer::kClip;
    const std::string name = stem + (clip ? ".input_clip" : ".input_step");
    const int numbers = LearnedNumbers(config.learned_input);
    SV_ASSIGN_OR_RETURN(const float* learned, LoadVector(reader, name, numbers * linear.halves()));
    input.clear();
    for (int half = 0; half < linear.halves(); ++half) {
      SV_ASSIGN_OR_RETURN(ActivationQuantizer one, Learned(base, config.learned_input, learned + half * numbers,
                                                           reader.artifact().name() + ": tensor " + name));
      input.push_back(one);
    }
  }
  // Kernels of int8 weights take no -128.
  if (linear.weight_type() == Linear::WeightType::kQ8 && base.top == 127 &&
      (!base.symmetric || config.learned_input == LearnedQuantizer::kStep)) {
    return Unsupported(reader.artifact().name() + ": product " + stem +
                       " has int8 weights; wanted an 8-bit symmetric input without a learned step");
  }
  return Product(std::move(linear), std::move(input));
}

Status LoadNorm(TensorReader& reader, const std::string& name, int width, LayerNormWeights* norm) {
  SV_ASSIGN_OR_RETURN(norm->weight, LoadVector(reader, name + ".weight", width));
  SV_ASSIGN_OR_RETURN(norm->bias, LoadVector(reader, name + ".bias", width));
  return Status();
}

Status LoadGhost(TensorReader& reader, const std::string& name, const BertConfig& config, Ghost* ghost) {
  if (config.ghost_features == 0) return Status();
  SV_ASSIGN_OR_RETURN(const float* logits, LoadVector(reader, name, config.ghost_features * config.hidden_size * 3));
  for (int i = 0; i < config.ghost_features * config.hidden_size * 3; ++i) {
    if (!std::isfinite(logits[i])) {
      return DataLoss(reader.artifact().name() + ": tensor " + name + ": item " + std::to_string(i) + " is not finite");
    }
  }
  *ghost = Ghost(logits, config.ghost_features, config.hidden_size);
  return Status();
}

// NEZHA's table: sines and cosines of p / 10000^(2 i / head_size), interleaved, for p from 0 to 2 most.
std::vector<float> RelativeTable(int most, int head_size) {
  std::vector<float> table;
  for (int p = 0; p <= 2 * most; ++p) {
    for (int d = 0; d < head_size; ++d) {
      const double angle = p / std::pow(10000.0, static_cast<double>(d / 2 * 2) / head_size);
      table.push_back(static_cast<float>(d % 2 == 0 ? std::sin(angle) : std::cos(angle)));
    }
  }
  return table;
}

}  // namespace

Result<BertLayer> BertEncoder::LoadLayer(const BertConfig& config, const std::string& prefix, TensorReader& reader) {
  BertLayer layer;
  const int hidden = config.hidden_size;
  const struct {
    const char* name;
    Product* product;
    const ActivationQuantizer& input;
    int rows, cols;
  } products[] = {{"attention.query", &layer.query, config.products, config.qkv_size, hidden},
                  {"attention.key", &layer.key, config.products, config.qkv_size, hidden},
                  {"attention.value", &layer.value, config.products, config.qkv_size, hidden},
                  {"attention.output", &layer.output, config.products, hidden, config.qkv_size},
                  {"ffn.up", &layer.up, config.products, config.ffn_size, hidden},
                  {"ffn.down", &layer.down, config.ffn_down, hidden, config.ffn_size}};
  for (const auto& p : products) {
    SV_ASSIGN_OR_RETURN(*p.product, LoadProduct(config, p.input, reader, prefix + p.name, p.rows, p.cols));
  }
  const float* learned = nullptr;
  const int numbers = LearnedNumbers(config.learned_operands);
  const std::string name = prefix + (config.learned_operands == LearnedQuantizer::kClip ? "attention.operand_clip"
                                                                                        : "attention.operand_step");
  if (config.learned_operands != LearnedQuantizer::kNone) {
    SV_ASSIGN_OR_RETURN(learned, LoadVector(reader, name, 4 * numbers));
  }
  for (int i = 0; i < 4; ++i) {
    layer.operands[i] = i < 3 ? config.operands : config.attention_weights;
    if (learned == nullptr) continue;
    SV_ASSIGN_OR_RETURN(layer.operands[i], Learned(layer.operands[i], config.learned_operands, learned + i * numbers,
                                                   reader.artifact().name() + ": tensor " + name));
  }
  SV_RETURN_IF_ERROR(LoadGhost(reader, prefix + "attention.ghost.weight", config, &layer.attention_ghost));
  SV_RETURN_IF_ERROR(LoadGhost(reader, prefix + "ffn.ghost.weight", config, &layer.ffn_ghost));
  SV_RETURN_IF_ERROR(LoadNorm(reader, prefix + "attention.norm", hidden, &layer.attention_norm));
  SV_RETURN_IF_ERROR(LoadNorm(reader, prefix + "ffn.norm", hidden, &layer.ffn_norm));
  return layer;
}

Result<BertEncoder> BertEncoder::Load(const BertConfig& config, const SubNetwork& part, TensorReader& reader) {
  BertEncoder encoder;
  encoder.config_ = config;
  const int hidden = config.hidden_size;
  SV_ASSIGN_OR_RETURN(encoder.word_, LoadEmbedding(reader, "embeddings.word", config.vocab_size, hidden));
  if (config.max_relative_position == 0) {
    SV_ASSIGN_OR_RETURN(encoder.position_, LoadEmbedding(reader, "embeddings.position", config.max_positions, hidden));
  } else {
    encoder.relative_ = RelativeTable(config.max_relative_position, config.head_size);
  }
  SV_ASSIGN_OR_RETURN(encoder.token_type_,
                      LoadEmbedding(reader, "embeddings.token_type", config.type_vocab_size, hidden));
  SV_RETURN_IF_ERROR(LoadNorm(reader, "embeddings.norm", hidden, &encoder.embedding_norm_));
  for (int n = 0; n < config.num_layers; ++n) {
    SV_ASSIGN_OR_RETURN(BertLayer layer, LoadLayer(config, "layer." + std::to_string(n) + ".", reader));
    encoder.layers_.push_back(std::move(layer));
  }
  if (config.pooler_activation != PoolerActivation::kNone) {
    SV_ASSIGN_OR_RETURN(encoder.pooler_, LoadProduct(config, config.products, reader, "pooler", hidden, hidden));
  }
  SV_RETURN_IF_ERROR(encoder.Narrow(part));
  return encoder;
}

}  // namespace sottovoce
