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
  SV_ASSIGN_OR_RETURN(model->predictor_, LabelNetwork::Load(reader, "predictor.", p, c.vocab_size, c.norm_epsilon));
  SV_ASSIGN_OR_RETURN(model->joiner_encoder_, LoadLinear(reader, "joiner.encoder", c.joiner_dim, c.encoder_dim()));
  SV_ASSIGN_OR_RETURN(model->joiner_predictor_,
                      LoadLinear(reader, "joiner.predictor", c.joiner_dim, p.model_dim, /*has_bias=*/false));
  SV_ASSIGN_OR_RETURN(model->joiner_output_, LoadLinear(reader, "joiner.output", c.vocab_size, c.joiner_dim));
  if (c.language_model) {
    SV_ASSIGN_OR_RETURN(model->language_model_,
                        LanguageModel::Load(reader, *c.language_model, c.vocab_size, c.norm_epsilon));
    ActivationBuffer activations;
    model->ReserveProjection(activations, 1);
    model->no_audio_.resize(static_cast<size_t>(c.joiner_dim));
    const std::vector<float> silence(static_cast<size_t>(c.encoder_dim()));
    model->ProjectEncoded(silence.data(), 1, activations, model->no_audio_.data());
  }
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
  predictor_.Reserve(workspace, max_rows);
  if (language_model_) language_model_->Reserve(workspace, max_rows);
  workspace.Grow(workspace.projected_rows, max_rows, config_.joiner_dim);
  workspace.Grow(workspace.joined, max_rows, config_.joiner_dim);
  workspace.Grow(workspace.logits, max_rows, config_.vocab_size);
  workspace.GrowRows(workspace.language_rows, max_rows);
  workspace.GrowRows(workspace.join_rows, max_rows);
  workspace.activations.Reserve(max_rows, config_.joiner_dim);
}

void Transducer::StartLabels(LabelCache& cache, LabelWorkspace& workspace, bool with_language_model) const {
  predictor_.Start(cache.layers);
  cache.projected.resize(static_cast<size_t>(config_.joiner_dim));
  cache.language_scores.clear();  // until the language model is asked
  const LabelRow start{&cache, kBlank};
  AppendLabels(&start, 1, workspace);
  if (!with_language_model || !language_model_) return;
  language_model_->Start(cache);
  ScoreByLanguage(&start, 1, workspace);
}

// What the predictor has learned of language itself, which shows where there is no audio, counts less (Variani et al.,
// 2020; Meng et al., 2021: internal language model estimation).
void Transducer::ScoreByLanguage(const LabelRow* rows, int num_rows, LabelWorkspace& workspace) const {
  language_model_->Append(rows, num_rows, workspace);
  const float share = language_model_->config().internal;
  if (share == 0.0f) return;
  for (int r = 0; r < num_rows; ++r) {
    workspace.join_rows[static_cast<size_t>(r)] = {rows[r].cache, no_audio_.data()};
  }
  const float* logits = JoinRows(workspace.join_rows.data(), num_rows, workspace);
  for (int r = 0; r < num_rows; ++r, logits += config_.vocab_size) {
    AddSymbolLogProbs(logits, config_.vocab_size, -share, rows[r].cache->language_scores.data());
  }
}

void Transducer::StartLabels(LabelState& state) const {
  ReserveLabels(state.workspace, 1);
  StartLabels(state, state.workspace);
}

void Transducer::AppendLabels(const LabelRow* rows, int num_rows, LabelWorkspace& workspace) const {
  for (int r = 0; r < num_rows; ++r) {
    workspace.network_rows[static_cast<size_t>(r)] = {&rows[r].cache->layers, rows[r].label};
  }
  const float* hidden = predictor_.Append(workspace.network_rows.data(), num_rows, workspace);
  const size_t joiner_dim = static_cast<size_t>(config_.joiner_dim);
  const float* projected = workspace.projected_rows.data();
  joiner_predictor_.Forward(hidden, num_rows, static_cast<size_t>(predictor_.dim()), {}, workspace.activations,
                            workspace.projected_rows.data(), joiner_dim);
  int num_language_rows = 0;
  for (int r = 0; r < num_rows; ++r, projected += joiner_dim) {
    std::copy_n(projected, joiner_dim, rows[r].cache->projected.data());
    if (rows[r].cache->language_scores.empty()) continue;
    workspace.language_rows[static_cast<size_t>(num_language_rows++)] = rows[r];
  }
  if (num_language_rows > 0) ScoreByLanguage(workspace.language_rows.data(), num_language_rows, workspace);
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
