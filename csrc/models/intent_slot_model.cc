#include "models/intent_slot_model.h"

#include <cmath>
#include <utility>

#include "models/load_layers.h"

namespace sottovoce {

Result<std::unique_ptr<const IntentSlotModel>> IntentSlotModel::Load(std::shared_ptr<const Artifact> artifact,
                                                                     const SubNetwork& part) {
  SV_ASSIGN_OR_RETURN(const std::string architecture, artifact->GetString("general.architecture"));
  if (architecture != kArchitecture) {
    return Unsupported(artifact->name() + ": general.architecture is '" + architecture + "', wanted '" + kArchitecture +
                       "'");
  }
  SV_ASSIGN_OR_RETURN(const BertConfig config, BertConfig::Read(*artifact));
  std::unique_ptr<IntentSlotModel> model(new IntentSlotModel());
  SV_ASSIGN_OR_RETURN(model->intent_labels_, artifact->GetStringArray("intent.labels"));
  SV_ASSIGN_OR_RETURN(model->slot_labels_, artifact->GetStringArray("slot.labels"));
  if (model->intent_labels_.empty() || model->slot_labels_.empty()) {
    return DataLoss(artifact->name() + ": intent.labels and slot.labels must not be empty");
  }
  SV_ASSIGN_OR_RETURN(const float temperature, artifact->GetF32("intent.temperature"));
  if (!(temperature > 0.0f) || !std::isfinite(temperature)) {
    return DataLoss(artifact->name() + ": intent.temperature must be positive, found " + std::to_string(temperature));
  }
  model->inverse_temperature_ = 1.0f / temperature;
  SV_ASSIGN_OR_RETURN(model->out_of_scope_threshold_, artifact->GetF32("intent.out_of_scope_threshold"));

  TensorReader reader(*artifact);
  SV_ASSIGN_OR_RETURN(model->encoder_, BertEncoder::Load(config, part, reader));
  SV_ASSIGN_OR_RETURN(model->intent_,
                      LoadLinear(reader, "intent", static_cast<int>(model->intent_labels_.size()), config.hidden_size));
  SV_ASSIGN_OR_RETURN(model->slot_,
                      LoadLinear(reader, "slot", static_cast<int>(model->slot_labels_.size()), config.hidden_size));
  SV_ASSIGN_OR_RETURN(const TensorView vocabulary, reader.Take("tokenizer.vocab", TensorType::kI8));
  model->vocabulary_ = static_cast<const char*>(vocabulary.data);
  model->vocabulary_bytes_ = vocabulary.bytes;
  SV_RETURN_IF_ERROR(reader.Finish());
  model->artifact_ = std::move(artifact);
  return std::unique_ptr<const IntentSlotModel>(std::move(model));
}

void IntentSlotModel::Forward(const int32_t* ids, int tokens, IntentSlotWorkspace& workspace) const {
  encoder_.Forward(ids, tokens, workspace.encoder);
  const size_t hidden = static_cast<size_t>(encoder_.config().hidden_size);
  const size_t slots = slot_labels_.size();
  const size_t intents = intent_labels_.size();
  BertWorkspace& encoder = workspace.encoder;
  const ActivationQuantization& activation = encoder_.config().activation;

  workspace.intent.resize(intents);
  intent_.Forward(encoder_.Pool(encoder), 1, hidden, activation, encoder.activations, workspace.intent.data(), intents);
  for (float& logit : workspace.intent) logit *= inverse_temperature_;
  Softmax(workspace.intent.data(), 1, static_cast<int>(intents), intents);

  workspace.slot.resize(static_cast<size_t>(tokens) * slots);
  slot_.Forward(encoder.hidden.data(), tokens, hidden, activation, encoder.activations, workspace.slot.data(), slots);
  Softmax(workspace.slot.data(), tokens, static_cast<int>(slots), slots);
}

}  // namespace sottovoce
