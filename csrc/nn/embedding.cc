#include "nn/embedding.h"

namespace sottovoce {

void Embedding::Add(int row, float* y) const {
  const size_t index = static_cast<size_t>(row);
  const size_t cols = static_cast<size_t>(cols_);
  if (type_ == WeightType::kF32) {
    const float* source = static_cast<const float*>(data_) + index * cols;
    for (size_t c = 0; c < cols; ++c) y[c] += source[c];
    return;
  }
  // Scales stay half precision in the file: a float copy of 30,522 of them would cost more memory than it saves time.
  const float scale = HalfToFloat(scale_[index]);
  if (type_ == WeightType::kQ8) {
    EmbedQ8(static_cast<const int8_t*>(data_) + index * cols, &scale, 0, cols_, y);
  } else if (type_ == WeightType::kQ1) {
    const size_t offset = index * ((cols + 7) / 8);
    EmbedQ1(static_cast<const uint8_t*>(data_) + offset, &scale, 0, cols_, y);
    if (data_2_ == nullptr) return;
    const float scale_2 = HalfToFloat(scale_2_[index]);
    EmbedQ1(static_cast<const uint8_t*>(data_2_) + offset, &scale_2, 0, cols_, y);
  } else {
    EmbedQ2(static_cast<const uint8_t*>(data_) + index * ((cols + 3) / 4), &scale, 0, cols_, y);
  }
}

}  // namespace sottovoce
