// Embedding look-up in whichever type the artifact holds.
#pragma once

#include <vector>

#include "kernels/vector_ops.h"

namespace sottovoce {

class Embedding {
 public:
  enum class WeightType { kF32, kQ8, kQ2 };

  Embedding() = default;
  // data is a view into the artifact: f32 (rows, cols), int8 (rows, cols) or ternary (rows, ceil(cols / 4)); scale is
  // the artifact's half-precision (rows), null for f32.
  Embedding(WeightType type, const void* data, const uint16_t* scale, int rows, int cols)
      : type_(type), data_(data), scale_(scale), rows_(rows), cols_(cols) {}

  int rows() const { return rows_; }
  int cols() const { return cols_; }

  // y[c] += row[c]; row in [0, rows()).
  void Add(int row, float* y) const;

 private:
  WeightType type_ = WeightType::kF32;
  const void* data_ = nullptr;
  const uint16_t* scale_ = nullptr;
  int rows_ = 0;
  int cols_ = 0;
};

}  // namespace sottovoce
