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

ScratchLease Transducer::BorrowScratch(int num_streams, int label_rows) const {
  std::unique_ptr<TransducerScratch> scratch = scratch_.Take();
  if (scratch == nullptr) {
    scratch = std::make_unique<TransducerScratch>();
    scratch_.Expect();
  }
  if (scratch->num_streams < num_streams) {
    scratch->num_streams = num_streams;
    encoder_.Reserve(scratch->encoder, encoder_.max_frames(), num_streams);
    const int outputs = encoder_.MaxOutputs(encoder_.max_frames(), num_streams);
    ReserveProjection(scratch->encoder.activations, outputs);
    scratch->features.resize(static_cast<size_t>(encoder_.max_frames()) * static_cast<size_t>(config_.num_mels));
    scratch->encoded.resize(static_cast<size_t>(outputs) * static_cast<size_t>(config_.encoder_dim()));
    scratch->projected.resize(static_cast<size_t>(outputs) * static_cast<size_t>(config_.joiner_dim));
  }
  if (scratch->label_rows < label_rows) {
    scratch->label_rows = label_rows;
    ReserveLabels(scratch->labels, label_rows);
  }
  return ScratchLease(&scratch_, std::move(scratch));
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

void Transducer::ReserveLabels(LabelWorkspace& workspace, int max_rows) const {
  const PredictorConfig& p = config_.predictor;
  for (const CausalLayer& layer : predictor_layers_) layer.Reserve(workspace, max_rows);
  const auto grow = [max_rows](std::vector<float>& buffer, int cols) {
    const size_t size = static_cast<size_t>(max_rows) * static_cast<size_t>(cols);
    if (buffer.size() < size) buffer.resize(size);
  };
  grow(workspace.embedding, p.embedding_dim);
  grow(workspace.label_hidden, p.model_dim);
  grow(workspace.projected_rows, config_.joiner_dim);
  grow(workspace.joined, config_.joiner_dim);
  grow(workspace.logits, config_.vocab_size);
  if (workspace.layer_rows.size() < static_cast<size_t>(max_rows)) {
    workspace.layer_rows.resize(static_cast<size_t>(max_rows));
  }
  for (int size : {p.embedding_dim, p.model_dim, config_.joiner_dim}) workspace.activations.Reserve(max_rows, size);
}

void Transducer::StartLabels(LabelCache& cache, LabelWorkspace& workspace) const {
  cache.layers.resize(predictor_layers_.size());
  for (size_t l = 0; l < predictor_layers_.size(); ++l) predictor_layers_[l].Start(cache.layers[l]);
  cache.projected.resize(static_cast<size_t>(config_.joiner_dim));
  const LabelRow start{&cache, kBlank};
  AppendLabels(&start, 1, workspace);
}

void Transducer::StartLabels(LabelState& state) const {
  ReserveLabels(state.workspace, 1);
  StartLabels(state, state.workspace);
}

void Transducer::AppendLabels(const LabelRow* rows, int num_rows, LabelWorkspace& workspace) const {
  const PredictorConfig& p = config_.predictor;
  const size_t width = static_cast<size_t>(p.embedding_dim);
  const size_t dim = static_cast<size_t>(p.model_dim);
  const size_t joiner_dim = static_cast<size_t>(config_.joiner_dim);
  float* embedding = workspace.embedding.data();
  std::fill_n(embedding, static_cast<size_t>(num_rows) * width, 0.0f);
  for (int r = 0; r < num_rows; ++r) embedding_.Add(rows[r].label, embedding + static_cast<size_t>(r) * width);
  float* hidden = workspace.label_hidden.data();
  input_.Forward(embedding, num_rows, width, {}, workspace.activations, hidden, dim);
  for (size_t l = 0; l < predictor_layers_.size(); ++l) {
    for (int r = 0; r < num_rows; ++r) workspace.layer_rows[static_cast<size_t>(r)] = {&rows[r].cache->layers[l], 1};
    predictor_layers_[l].ForwardBatch(hidden, workspace.layer_rows.data(), num_rows, workspace);
  }
  LayerNorm(hidden, nullptr, predictor_norm_.weight, predictor_norm_.bias, config_.norm_epsilon, num_rows, p.model_dim,
            hidden);
  const float* projected = workspace.projected_rows.data();
  joiner_predictor_.Forward(hidden, num_rows, dim, {}, workspace.activations, workspace.projected_rows.data(),
                            joiner_dim);
  for (int r = 0; r < num_rows; ++r, projected += joiner_dim) {
    std::copy_n(projected, joiner_dim, rows[r].cache->projected.data());
  }
}

void Transducer::AppendLabel(int label, LabelState& state) const {
  const LabelRow row{&state, label};
  AppendLabels(&row, 1, state.workspace);
}

const float* Transducer::JoinRows(const JoinRow* rows, int num_rows, LabelWorkspace& workspace) const {
  const size_t dim = static_cast<size_t>(config_.joiner_dim);
  float* joined = workspace.joined.data();
  for (int r = 0; r < num_rows; ++r, joined += dim) {
    const float* labels = rows[r].cache->projected.data();
    for (size_t i = 0; i < dim; ++i) joined[i] = rows[r].projected_frame[i] + labels[i];
  }
  joined = workspace.joined.data();
  Relu(joined, static_cast<size_t>(num_rows) * dim, joined);
  joiner_output_.Forward(joined, num_rows, dim, {}, workspace.activations, workspace.logits.data(),
                         static_cast<size_t>(config_.vocab_size));
  return workspace.logits.data();
}

const float* Transducer::Join(const float* projected_frame, LabelState& state) const {
  const JoinRow row{&state, projected_frame};
  return JoinRows(&row, 1, state.workspace);
}

}  // namespace sottovoce
