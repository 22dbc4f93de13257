// The reference that every other kernel of the family equals bit for bit.
#include "kernels/gemm_q1/gemm_qd8_q1.h"

namespace sottovoce {

void gemm_qd8_q1_1x16__scalar(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y,
                              size_t /*y_stride*/) {
  const int blocks = (w.cols + 31) / 32;
  for (int half = 0; half < w.halves; ++half) {
    const uint8_t* block = w.panels[half];
    // The second half is added to what the first one and the bias gave.
    const float* addend = half == 0 ? bias : y;
    for (int output = 0; output < w.rows; output += 16) {
      int32_t acc[16];
      for (int o = 0; o < 16; ++o) acc[o] = -a.sum[0];  // a weight is twice its bit minus 1
      for (int b = 0; b < blocks; ++b, block += 64) {
        const int8_t* x = a.data + 32 * b;
        for (int o = 0; o < 16; ++o) {
          for (int j = 0; j < 4; ++j) {
            for (int f = 0; f < 8; ++f) acc[o] += 2 * (block[4 * o + j] >> f & 1) * x[4 * f + j];
          }
        }
      }
      for (int o = 0; o < 16 && output + o < w.rows; ++o) {
        const float product = static_cast<float>(acc[o]) * (a.scale[0] * w.scale[half][output + o]);
        y[output + o] = addend != nullptr ? product + addend[output + o] : product;
      }
    }
  }
}

}  // namespace sottovoce
