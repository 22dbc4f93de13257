// Real fast Fourier transform, power of two.
#pragma once

#include <cstdint>
#include <vector>

namespace sottovoce {

// Immutable after construction; Power() is thread safe, its scratch belongs to the caller.
class RealFft {
 public:
  // size: a power of two, 4 or more.
  explicit RealFft(int size);

  int size() const { return size_; }

  // power[k] = |X_k|^2 for k in 0 .. size / 2.
  // x: (size); scratch: (size); power: (size / 2 + 1).
  void Power(const float* x, float* scratch, float* power) const;

 private:
  int size_;
  std::vector<uint32_t> reversed_;  // (size / 2) bit-reversed indices of the half-size complex transform
  std::vector<float> cos_, sin_;    // (size / 2) of 2 pi k / size
};

}  // namespace sottovoce
