// The reference that every other kernel of the family equals bit for bit.
#include "kernels/gemm_q2/gemm_qd8_q2.h"

namespace sottovoce {

void gemm_qd8_q2_1x16__scalar(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                              size_t /*y_stride*/) {
  const int blocks = (w.cols + 15) / 16;
  const uint8_t* block = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    int32_t acc[16];
    for (int o = 0; o < 16; ++o) acc[o] = -a.sum[0];  // codes are the weights + 1
    for (int b = 0; b < blocks; ++b, block += 64) {
      const int8_t* x = a.data + 16 * b;
      for (int o = 0; o < 16; ++o) {
        for (int j = 0; j < 4; ++j) {
          const int byte = block[4 * o + j];
          acc[o] +=
              (byte & 3) * x[j] + (byte >> 2 & 3) * x[4 + j] + (byte >> 4 & 3) * x[8 + j] + (byte >> 6) * x[12 + j];
        }
      }
    }
    for (int o = 0; o < 16 && output + o < w.rows; ++o) {
      const float product = static_cast<float>(acc[o]) * (a.scale[0] * w.scale[output + o]);
      y[output + o] = bias != nullptr ? product + bias[output + o] : product;
    }
  }
}

}  // namespace sottovoce
