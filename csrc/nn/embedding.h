// Embedding look-up in whichever type the artifact holds.
#pragma once

#include <vector>

#include "kernels/vector_ops.h"

namespace sottovoce {

class Embedding {
 public:
  enum class WeightType { kF32, kQ8, kQ2, kQ1 };

  Embedding() = default;
  // data is a view into the artifact: f32 (rows, cols), int8 (rows, cols), ternary (rows, ceil(cols / 4)) or
  // binary (rows, ceil(cols / 8)); scale is
  // the artifact's half-precision (rows), null for f32.
  Embedding(WeightType type, const void* data, const uint16_t* scale, int rows, int cols)
      : type_(type), data_(data), scale_(scale), rows_(rows), cols_(cols) {}

  // Two binary tables whose rows add up (BinaryBERT's split embeddings).
  static Embedding Split(const void* data, const uint16_t* scale, const void* data_2, const uint16_t* scale_2, int rows,
                         int cols) {
    Embedding embedding(WeightType::kQ1, data, scale, rows, cols);
    embedding.data_2_ = data_2;
    embedding.scale_2_ = scale_2;
    return embedding;
  }

  int rows() const { return rows_; }
  int cols() const { return cols_; }

  // y[c] += row[c]; row in [0, rows()).
  void Add(int row, float* y) const;

 private:
  WeightType type_ = WeightType::kF32;
  const void* data_ = nullptr;
  const uint16_t* scale_ = nullptr;
  const void* data_2_ = nullptr;
  const uint16_t* scale_2_ = nullptr;
  int rows_ = 0;
  int cols_ = 0;
};

}  // namespace sottovoce
