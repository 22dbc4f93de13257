#include "models/load_layers.h"

#include <utility>
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

struct Packed {
  const void* data = nullptr;
  std::vector<float> scale;  // (rows)
};

// The tensor `weight` + `suffix` and its scales.
Result<Packed> LoadPacked(TensorReader& reader, const std::string& weight, const char* suffix, size_t bytes, int rows) {
  Packed packed;
  SV_ASSIGN_OR_RETURN(const TensorView view, reader.Take(weight + suffix, TensorType::kI8, bytes));
  SV_ASSIGN_OR_RETURN(const uint16_t* half, LoadScale(reader, weight + ".scale", rows));
  packed.data = view.data;
  packed.scale.resize(static_cast<size_t>(rows));
  for (size_t r = 0; r < packed.scale.size(); ++r) packed.scale[r] = HalfToFloat(half[r]);
  return packed;
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
  if (reader.Has(weight + ".q2p16x4")) {
    SV_ASSIGN_OR_RETURN(Packed packed, LoadPacked(reader, weight, ".q2p16x4", PackedBytesQ2(rows, cols), rows));
    return Linear::Q2(static_cast<const uint8_t*>(packed.data), std::move(packed.scale), rows, cols, bias);
  }
  if (reader.Has(weight + ".q8p16x4")) {
    SV_ASSIGN_OR_RETURN(Packed packed, LoadPacked(reader, weight, ".q8p16x4", PackedBytesQ8(rows, cols), rows));
    return Linear::Q8(static_cast<const int8_t*>(packed.data), std::move(packed.scale), rows, cols, bias);
  }
  if (!reader.Has(weight + ".q1p16x8")) return NoWeights(reader, weight, ".q1p16x8, .q2p16x4, .q8p16x4, .f32");
  const size_t bytes = PackedBytesQ1(rows, cols);
  SV_ASSIGN_OR_RETURN(Packed first, LoadPacked(reader, weight, ".q1p16x8", bytes, rows));
  Packed second;
  if (reader.Has(weight + "_2.q1p16x8")) {
    SV_ASSIGN_OR_RETURN(second, LoadPacked(reader, weight + "_2", ".q1p16x8", bytes, rows));
  }
  return Linear::Q1(static_cast<const uint8_t*>(first.data), std::move(first.scale),
                    static_cast<const uint8_t*>(second.data), std::move(second.scale), rows, cols, bias);
}

Result<Embedding> LoadEmbedding(TensorReader& reader, const std::string& stem, int rows, int cols) {
  using Type = Embedding::WeightType;
  const size_t entries = static_cast<size_t>(rows);
  const size_t width = static_cast<size_t>(cols);
  if (reader.Has(stem + ".f32")) {
    SV_ASSIGN_OR_RETURN(const TensorView view, reader.Take(stem + ".f32", TensorType::kF32, entries * width * 4));
    return Embedding(Type::kF32, view.data, nullptr, rows, cols);
  }
  const struct {
    const char* suffix;
    Type type;
    size_t row_bytes;
  } kinds[] = {{".q2r", Type::kQ2, (width + 3) / 4}, {".q8r", Type::kQ8, width}, {".q1r", Type::kQ1, (width + 7) / 8}};
  for (const auto& kind : kinds) {
    if (!reader.Has(stem + kind.suffix)) continue;
    const size_t bytes = entries * kind.row_bytes;
    SV_ASSIGN_OR_RETURN(const TensorView view, reader.Take(stem + kind.suffix, TensorType::kI8, bytes));
    SV_ASSIGN_OR_RETURN(const uint16_t* scale, LoadScale(reader, stem + ".scale", rows));
    if (kind.type != Type::kQ1 || !reader.Has(stem + "_2.q1r")) {
      return Embedding(kind.type, view.data, scale, rows, cols);
    }
    SV_ASSIGN_OR_RETURN(const TensorView view_2, reader.Take(stem + "_2.q1r", TensorType::kI8, bytes));
    SV_ASSIGN_OR_RETURN(const uint16_t* scale_2, LoadScale(reader, stem + "_2.scale", rows));
    return Embedding::Split(view.data, scale, view_2.data, scale_2, rows, cols);
  }
  return NoWeights(reader, stem, ".q1r, .q2r, .q8r, .f32");
}

}  // namespace sottovoce
