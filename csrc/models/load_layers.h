// Layers from an artifact's tensors. Names, types and sizes are checked; messages name the tensor, what was wanted and
// found.
#pragma once

#include <string>

#include "artifact/tensor_reader.h"
#include "nn/embedding.h"
#include "nn/linear.h"

namespace sottovoce {

// `stem`.weight.{q2p16x4, q8p16x4} with `stem`.weight.scale, or `stem`.weight.f32; and `stem`.bias unless `has_bias` is
// false.
Result<Linear> LoadLinear(TensorReader& reader, const std::string& stem, int rows, int cols, bool has_bias = true);

// `stem`.{q2r, q8r} with `stem`.scale, or `stem`.f32.
Result<Embedding> LoadEmbedding(TensorReader& reader, const std::string& stem, int rows, int cols);

// A plain float tensor of `size` elements.
Result<const float*> LoadVector(TensorReader& reader, const std::string& name, int size);

}  // namespace sottovoce
