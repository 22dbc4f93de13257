// A buffer between canaries, at any misalignment, and numbers to put into it.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace sottovoce {

template <typename T>
class GuardedBuffer {
 public:
  // `count` elements starting `offset` elements after an allocation's own alignment.
  explicit GuardedBuffer(size_t count, size_t offset = 0)
      : bytes_((count + offset) * sizeof(T) + 2 * kGuard, kCanary),
        begin_(kGuard + offset * sizeof(T)),
        count_(count) {}
  T* data() { return reinterpret_cast<T*>(bytes_.data() + begin_); }
  T& operator[](size_t i) { return data()[i]; }
  size_t size() const { return count_; }
  void Fill(const std::vector<T>& values) {
    if (count_ > 0) std::memcpy(bytes_.data() + begin_, values.data(), count_ * sizeof(T));
  }

  // False once anything outside the elements was written.
  bool Intact() const {
    const size_t end = begin_ + count_ * sizeof(T);
    for (size_t i = 0; i < bytes_.size(); ++i) {
      if ((i < begin_ || i >= end) && bytes_[i] != kCanary) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 128;
  static constexpr unsigned char kCanary = 0xA5;
  std::vector<unsigned char> bytes_;
  size_t begin_;
  size_t count_;
};

inline std::vector<float> NormalFloats(size_t count, float deviation, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

template <typename T>
bool SameBits(const T* a, const T* b, size_t count) {
  return count == 0 || std::memcmp(a, b, count * sizeof(T)) == 0;
}

}  // namespace sottovoce
