// The reference that every other kernel of the family equals bit for bit.
#include "kernels/gemm_q8/gemm_qd8_q8.h"

namespace sottovoce {

void gemm_qd8_q8_1x16__scalar(const QuantizedRows& a, const MatrixQ8& w, const float* bias, float* y,
                              size_t /*y_stride*/) {
  const int blocks = (w.cols + 3) / 4;
  const int8_t* block = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    int32_t acc[16] = {};
    for (int b = 0; b < blocks; ++b, block += 64) {
      const int8_t* x = a.data + 4 * b;
      for (int o = 0; o < 16; ++o) {
        for (int j = 0; j < 4; ++j) acc[o] += block[4 * o + j] * x[j];
      }
    }
    for (int o = 0; o < 16 && output + o < w.rows; ++o) {
      const float product = static_cast<float>(acc[o]) * (a.scale[0] * w.scale[output + o]);
      y[output + o] = bias != nullptr ? product + bias[output + o] : product;
    }
  }
}

}  // namespace sottovoce
