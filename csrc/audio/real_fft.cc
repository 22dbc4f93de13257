#include "audio/real_fft.h"

#include <cmath>

namespace sottovoce {

RealFft::RealFft(int size) : size_(size), reversed_(size / 2), cos_(size / 2), sin_(size / 2) {
  const int half = size / 2;
  int bits = 0;
  while ((1 << bits) < half) ++bits;
  for (int i = 0; i < half; ++i) {
    uint32_t r = 0;
    for (int b = 0; b < bits; ++b) r |= ((i >> b) & 1u) << (bits - 1 - b);
    reversed_[i] = r;
    const double angle = 2.0 * 3.14159265358979323846 * i / size;
    cos_[i] = static_cast<float>(std::cos(angle));
    sin_[i] = static_cast<float>(std::sin(angle));
  }
}

void RealFft::Power(const float* x, float* scratch, float* power) const {
  const int half = size_ / 2;
  // Even samples are the real parts and odd samples the imaginary parts of one complex signal of half the length.
  float* z = scratch;
  for (int i = 0; i < half; ++i) {
    z[2 * i] = x[2 * reversed_[i]];
    z[2 * i + 1] = x[2 * reversed_[i] + 1];
  }
  for (int span = 1; span < half; span *= 2) {
    const int step = half / span;  // in units of 2 pi / size
    for (int start = 0; start < half; start += 2 * span) {
      for (int k = 0; k < span; ++k) {
        const float c = cos_[k * step], s = sin_[k * step];
        float* a = z + 2 * (start + k);
        float* b = a + 2 * span;
        const float re = b[0] * c + b[1] * s;
        const float im = b[1] * c - b[0] * s;
        b[0] = a[0] - re;
        b[1] = a[1] - im;
        a[0] += re;
        a[1] += im;
      }
    }
  }
  // X_k = E_k + e^{-2 pi i k / size} O_k, with E and O from the symmetries of Z.
  power[0] = (z[0] + z[1]) * (z[0] + z[1]);
  power[half] = (z[0] - z[1]) * (z[0] - z[1]);
  for (int k = 1; k < half; ++k) {
    const float* p = z + 2 * k;
    const float* q = z + 2 * (half - k);
    const float even_re = 0.5f * (p[0] + q[0]), even_im = 0.5f * (p[1] - q[1]);
    const float odd_re = 0.5f * (p[1] + q[1]), odd_im = 0.5f * (q[0] - p[0]);
    const float re = even_re + odd_re * cos_[k] + odd_im * sin_[k];
    const float im = even_im + odd_im * cos_[k] - odd_re * sin_[k];
    power[k] = re * re + im * im;
  }
}

}  // namespace sottovoce
