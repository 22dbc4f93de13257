#include "models/transducer.h"

#include <algorithm>
#include <utility>

#include "models/load_layers.h"

namespace sottovoce {

Result<std::unique_ptr<const Transducer>> Transducer::Load(std::shared_ptr<const Artifact> artifact) {
  SV_ASSIGN_OR_RETURN(const std::string architecture, artifact->GetString("general.architecture"));
  if (architecture != kArchitecture) {
    return Unsupported(artifact->name() + ": general.architecture is '" + architecture + "', wanted '" + kArchitecture +
                       "'");
  }
  SV_ASSIGN_OR_RETURN(const std::string kind, artifact->GetString("tokenizer.kind"));
  if (kind != "sentencepiece") {
    return Unsupported(artifact->name() + ": tokenizer.kind is '" + kind + "', wanted 'sentencepiece'");
  }
  std::unique_ptr<Transducer> model(new Transducer());
  SV_ASSIGN_OR_RETURN(model->config_, TransducerConfig::Read(*artifact));
  SV_ASSIGN_OR_RETURN(model->pieces_, artifact->GetStringArray("tokenizer.pieces"));
  const TransducerConfig& c = model->config_;
  const PredictorConfig& p = c.predictor;
  TensorReader reader(*artifact);
  SV_ASSIGN_OR_RETURN(model->mean_, LoadVector(reader, "feature.mean", c.num_mels));
  SV_ASSIGN_OR_RETURN(model->inverse_std_, LoadVector(reader, "feature.inverse_std", c.num_mels));
  SV_ASSIGN_OR_RETURN(model->encoder_, TransducerEncoder::Load(c, reader));
  SV_ASSIGN_OR_RETURN(model->embedding_, LoadEmbedding(reader, "predictor.embedding", c.vocab_size, p.embedding_dim));
  SV_ASSIGN_OR_RETURN(model->input_, LoadLinear(reader, "predictor.input", p.model_dim, p.embedding_dim));
  for (size_t l = 0; l < p.layers.size(); ++l) {
    SV_ASSIGN_OR_RETURN(CausalLayer layer,
                        LoadCausalLayer(reader, "predictor.layer." + std::to_string(l) + ".", p.layers[l]));
    model->predictor_layers_.push_back(std::move(layer));
  }
  SV_ASSIGN_OR_RETURN(model->predictor_norm_, LoadNorm(reader, "predictor.norm", p.model_dim));
  SV_ASSIGN_OR_RETURN(model->joiner_encoder_, LoadLinear(reader, "joiner.encoder", c.joiner_dim, c.encoder_dim()));
  SV_ASSIGN_OR_RETURN(model->joiner_predictor_,
                      LoadLinear(reader, "joiner.predictor", c.joiner_dim, p.model_dim, /*has_bias=*/false));
  SV_ASSIGN_OR_RETURN(model->joiner_output_, LoadLinear(reader, "joiner.output", c.vocab_size, c.joiner_dim));
  SV_RETURN_IF_ERROR(reader.Finish());
  model->artifact_ = std::move(artifact);
  return std::unique_ptr<const Transducer>(std::move(model));
}

void Transducer::Normalize(float* features) const {
  for (int m = 0; m < config_.num_mels; ++m) features[m] = (features[m] - mean_[m]) * inverse_std_[m];
}

void Transducer::ProjectEncoded(const float* encoded, int num_frames, ActivationBuffer& activations, float* y) const {
  joiner_encoder_.Forward(encoded, num_frames, static_cast<size_t>(config_.encoder_dim()), {}, activations, y,
                          static_cast<size_t>(config_.joiner_dim));
}

void Transducer::ReserveProjection(ActivationBuffer& activations, int num_frames) const {
  activations.Reserve(num_frames, config_.encoder_dim());
}

void Transducer::StartLabels(LabelState& state) const {
  const PredictorConfig& p = config_.predictor;
  state.layers.resize(predictor_layers_.size());
  for (size_t l = 0; l < predictor_layers_.size(); ++l) {
    predictor_layers_[l].Start(state.layers[l], 1);
    predictor_layers_[l].Reserve(state.workspace, 1);
  }
  state.embedding.resize(static_cast<size_t>(p.embedding_dim));
  state.hidden.resize(static_cast<size_t>(p.model_dim));
  state.projected.resize(static_cast<size_t>(config_.joiner_dim));
  state.joined.resize(static_cast<size_t>(config_.joiner_dim));
  state.logits.resize(static_cast<size_t>(config_.vocab_size));
  for (int size : {p.embedding_dim, p.model_dim, config_.joiner_dim}) state.workspace.activations.Reserve(1, size);
  AppendLabel(kBlank, state);
}

void Transducer::AppendLabel(int label, LabelState& state) const {
  const PredictorConfig& p = config_.predictor;
  ActivationBuffer& activations = state.workspace.activations;
  std::fill(state.embedding.begin(), state.embedding.end(), 0.0f);
  embedding_.Add(label, state.embedding.data());
  float* hidden = state.hidden.data();
  input_.Forward(state.embedding.data(), 1, state.embedding.size(), {}, activations, hidden, state.hidden.size());
  for (size_t l = 0; l < predictor_layers_.size(); ++l) {
    predictor_layers_[l].Forward(hidden, 1, state.layers[l], state.workspace);
  }
  LayerNorm(hidden, nullptr, predictor_norm_.weight, predictor_norm_.bias, config_.norm_epsilon, 1, p.model_dim,
            hidden);
  joiner_predictor_.Forward(hidden, 1, state.hidden.size(), {}, activations, state.projected.data(),
                            state.projected.size());
}

const float* Transducer::Join(const float* projected_frame, LabelState& state) const {
  const size_t dim = state.joined.size();
  float* joined = state.joined.data();
  for (size_t i = 0; i < dim; ++i) joined[i] = projected_frame[i] + state.projected[i];
  Relu(joined, dim, joined);
  joiner_output_.Forward(joined, 1, dim, {}, state.workspace.activations, state.logits.data(), state.logits.size());
  return state.logits.data();
}

}  // namespace sottovoce
