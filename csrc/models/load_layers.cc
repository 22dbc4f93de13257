#include "models/load_layers.h"

#include <vector>

namespace sottovoce {
namespace {

// The half-precision scales of a packed tensor; each must be finite, or NaN would spread through the model.
Result<const uint16_t*> LoadScale(TensorReader& reader, const std::string& name, int rows) {
  SV_ASSIGN_OR_RETURN(const TensorView view, reader.Take(name, TensorType::kF16, static_cast<size_t>(rows) * 2));
  const uint16_t* scale = static_cast<const uint16_t*>(view.data);
  for (int r = 0; r < rows; ++r) {
    if ((scale[r] & 0x7C00) == 0x7C00) {
      return DataLoss(reader.artifact().name() + ": tensor " + name + ": row " + std::to_string(r) + " is not finite");
    }
  }
  return scale;
}

Status NoWeights(const TensorReader& reader, const std::string& stem, const char* wanted) {
  return DataLoss(reader.artifact().name() + ": tensor " + stem + " is missing: wanted one of " + wanted);
}

}  // namespace

Result<const float*> LoadVector(TensorReader& reader, const std::string& name, int size) {
  SV_ASSIGN_OR_RETURN(const TensorView view, reader.Take(name, TensorType::kF32, static_cast<size_t>(size) * 4));
  return static_cast<const float*>(view.data);
}

Result<Linear> LoadLinear(TensorReader& reader, const std::string& stem, int rows, int cols, bool has_bias) {
  const float* bias = nullptr;
  if (has_bias) {
    SV_ASSIGN_OR_RETURN(bias, LoadVector(reader, stem + ".bias", rows));
  }
  const std::string weight = stem + ".weight";
  if (reader.Has(weight + ".f32")) {
    const size_t bytes = static_cast<size_t>(rows) * static_cast<size_t>(cols) * 4;
    SV_ASSIGN_OR_RETURN(const TensorView view, reader.Take(weight + ".f32", TensorType::kF32, bytes));
    return Linear::F32(static_cast<const float*>(view.data), rows, cols, bias);
  }
  const bool ternary = reader.Has(weight + ".q2p16x4");
  if (!ternary && !reader.Has(weight + ".q8p16x4")) {
    return NoWeights(reader, weight, ".q2p16x4, .q8p16x4, .f32");
  }
  const size_t bytes = ternary ? PackedBytesQ2(rows, cols) : PackedBytesQ8(rows, cols);
  SV_ASSIGN_OR_RETURN(const TensorView view,
                      reader.Take(weight + (ternary ? ".q2p16x4" : ".q8p16x4"), TensorType::kI8, bytes));
  SV_ASSIGN_OR_RETURN(const uint16_t* half, LoadScale(reader, weight + ".scale", rows));
  std::vector<float> scale(static_cast<size_t>(rows));
  for (size_t r = 0; r < scale.size(); ++r) scale[r] = HalfToFloat(half[r]);
  return ternary ? Linear::Q2(static_cast<const uint8_t*>(view.data), std::move(scale), rows, cols, bias)
                 : Linear::Q8(static_cast<const int8_t*>(view.data), std::move(scale), rows, cols, bias);
}

Result<Embedding> LoadEmbedding(TensorReader& reader, const std::string& stem, int rows, int cols) {
  const size_t entries = static_cast<size_t>(rows);
  const size_t width = static_cast<size_t>(cols);
  if (reader.Has(stem + ".f32")) {
    SV_ASSIGN_OR_RETURN(const TensorView view, reader.Take(stem + ".f32", TensorType::kF32, entries * width * 4));
    return Embedding(Embedding::WeightType::kF32, view.data, nullptr, rows, cols);
  }
  const bool ternary = reader.Has(stem + ".q2r");
  if (!ternary && !reader.Has(stem + ".q8r")) return NoWeights(reader, stem, ".q2r, .q8r, .f32");
  const size_t bytes = entries * (ternary ? (width + 3) / 4 : width);
  SV_ASSIGN_OR_RETURN(const TensorView view, reader.Take(stem + (ternary ? ".q2r" : ".q8r"), TensorType::kI8, bytes));
  SV_ASSIGN_OR_RETURN(const uint16_t* scale, LoadScale(reader, stem + ".scale", rows));
  return Embedding(ternary ? Embedding::WeightType::kQ2 : Embedding::WeightType::kQ8, view.data, scale, rows, cols);
}

}  // namespace sottovoce
