#include "models/label_network.h"

#include <algorithm>
#include <utility>

#include "models/load_layers.h"
#include "models/transducer_encoder.h"

namespace sottovoce {

Result<LabelNetwork> LabelNetwork::Load(TensorReader& reader, const std::string& prefix, const PredictorConfig& config,
                                        int vocab_size, float norm_epsilon) {
  LabelNetwork network;
  network.config_ = config;
  network.norm_epsilon_ = norm_epsilon;
  SV_ASSIGN_OR_RETURN(network.embedding_,
                      LoadEmbedding(reader, prefix + "embedding", vocab_size, config.embedding_dim));
  SV_ASSIGN_OR_RETURN(network.input_, LoadLinear(reader, prefix + "input", config.model_dim, config.embedding_dim));
  for (size_t l = 0; l < config.layers.size(); ++l) {
    SV_ASSIGN_OR_RETURN(CausalLayer layer,
                        LoadCausalLayer(reader, prefix + "layer." + std::to_string(l) + ".", config.layers[l]));
    network.layers_.push_back(std::move(layer));
  }
  SV_ASSIGN_OR_RETURN(network.norm_, LoadNorm(reader, prefix + "norm", config.model_dim));
  return network;
}

void LabelNetwork::Reserve(LabelWorkspace& workspace, int max_rows) const {
  for (const CausalLayer& layer : layers_) layer.Reserve(workspace, max_rows);
  workspace.Grow(workspace.embedding, max_rows, config_.embedding_dim);
  workspace.Grow(workspace.label_hidden, max_rows, config_.model_dim);
  workspace.GrowRows(workspace.layer_rows, max_rows);
  workspace.GrowRows(workspace.network_rows, max_rows);
  for (int size : {config_.embedding_dim, config_.model_dim}) workspace.activations.Reserve(max_rows, size);
}

void LabelNetwork::Start(std::vector<CausalLayerState>& layers) const {
  layers.resize(layers_.size());
  for (size_t l = 0; l < layers_.size(); ++l) layers_[l].Start(layers[l]);
}

const float* LabelNetwork::Append(const NetworkRow* rows, int num_rows, LabelWorkspace& workspace) const {
  const size_t width = static_cast<size_t>(config_.embedding_dim);
  const size_t dim = static_cast<size_t>(config_.model_dim);
  float* embedding = workspace.embedding.data();
  std::fill_n(embedding, static_cast<size_t>(num_rows) * width, 0.0f);
  for (int r = 0; r < num_rows; ++r) embedding_.Add(rows[r].label, embedding + static_cast<size_t>(r) * width);
  float* hidden = workspace.label_hidden.data();
  input_.Forward(embedding, num_rows, width, {}, workspace.activations, hidden, dim);
  for (size_t l = 0; l < layers_.size(); ++l) {
    for (int r = 0; r < num_rows; ++r) workspace.layer_rows[static_cast<size_t>(r)] = {&(*rows[r].layers)[l], 1};
    layers_[l].ForwardBatch(hidden, workspace.layer_rows.data(), num_rows, workspace);
  }
  LayerNorm(hidden, nullptr, norm_.weight, norm_.bias, norm_epsilon_, num_rows, config_.model_dim, hidden);
  return hidden;
}

}  // namespace sottovoce
