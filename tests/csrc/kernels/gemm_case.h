// Operands of one product for the kernel tests, every array ending at an unreadable page.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/gemm.h"

namespace sottovoce {

// An array whose last byte is the last of its page; touching what follows faults.
template <typename T>
class GuardedArray {
 public:
  explicit GuardedArray(size_t size) : size_(size) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = (size * sizeof(T) + page - 1) / page * page;
    mapped_bytes_ = bytes + page;
    mapping_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(static_cast<char*>(mapping_) + bytes, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(static_cast<char*>(mapping_) + bytes - size * sizeof(T));
  }
  ~GuardedArray() { munmap(mapping_, mapped_bytes_); }
  GuardedArray(const GuardedArray&) = delete;
  GuardedArray& operator=(const GuardedArray&) = delete;
  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  size_t size_;
  size_t mapped_bytes_;
  void* mapping_;
  T* data_;
};

class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  uint32_t Next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33);
  }
  int Between(int low, int high) { return low + static_cast<int>(Next() % static_cast<uint32_t>(high - low + 1)); }

 private:
  uint64_t state_;
};

enum class Values { kRandom, kAllPositive, kAllNegative, kAlternating };

inline int8_t DrawValue(Values values, int limit, size_t index, TestRandom* random) {
  switch (values) {
    case Values::kRandom: return static_cast<int8_t>(random->Between(-limit, limit));
    case Values::kAllPositive: return static_cast<int8_t>(limit);
    case Values::kAllNegative: return static_cast<int8_t>(-limit);
    case Values::kAlternating: return static_cast<int8_t>(index % 2 == 0 ? limit : -limit);
  }
  return 0;
}

inline size_t PackedBytes(const MatrixQ2&, int outputs, int cols) {
  return PackedBytesQ2(outputs, cols);
}
inline size_t PackedBytes(const MatrixQ8&, int outputs, int cols) {
  return PackedBytesQ8(outputs, cols);
}
inline size_t PackedBytes(const MatrixQ1&, int outputs, int cols) {
  return PackedBytesQ1(outputs, cols);
}
inline void Pack(const int8_t* weights, MatrixQ1* w, uint8_t* panels) {
  PackQ1(weights, w->rows, w->cols, panels);
  w->panels[0] = panels;
  w->halves = 1;
}
inline void Pack(const int8_t* weights, MatrixQ2* w, uint8_t* panels) {
  PackQ2(weights, w->rows, w->cols, panels);
  w->panels = panels;
}
inline void Pack(const int8_t* weights, MatrixQ8* w, uint8_t* panels) {
  PackQ8(weights, w->rows, w->cols, reinterpret_cast<int8_t*>(panels));
  w->panels = reinterpret_cast<const int8_t*>(panels);
}

inline void SetScale(const float* scale, MatrixQ1* w) {
  w->scale[0] = scale;
}
template <typename Matrix>
void SetScale(const float* scale, Matrix* w) {
  w->scale = scale;
}

// Weights that a type of matrix cannot hold become ones that it can.
inline void Constrain(const MatrixQ1&, std::vector<int8_t>* weights) {
  for (int8_t& weight : *weights) weight = weight < 0 ? -1 : 1;
}
template <typename Matrix>
void Constrain(const Matrix&, std::vector<int8_t>*) {}

template <typename Matrix>
struct GemmCase {
  GemmCase(int rows, int outputs, int cols, int weight_limit, Values activation_values, Values weight_values,
           uint64_t seed, int bits = 8)
      : activations(static_cast<size_t>(rows) * QuantizedStride(cols)),
        scales(rows),
        sums(rows),
        weights(static_cast<size_t>(outputs) * cols),
        panels(PackedBytes(Matrix(), outputs, cols)),
        weight_scales(outputs),
        bias(outputs) {
    TestRandom random(seed);
    const size_t stride = QuantizedStride(cols);
    for (int r = 0; r < rows; ++r) {
      int32_t sum = 0;
      for (int c = 0; c < cols; ++c) {
        int8_t value = DrawValue(activation_values, bits == 4 ? 7 : 127, static_cast<size_t>(c), &random);
        // Products with int8 weights alone do not take the lowest code.
        if (value == -7 && bits == 4) value = -8;
        if (value == -127 && bits == 8 && weight_limit == 1) value = -128;
        activations[r * stride + c] = value;
        sum += value;
      }
      sums[r] = sum;
      scales[r] = static_cast<float>(random.Between(1, 1 << 20)) / 97e6f;
    }
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = DrawValue(weight_values, weight_limit, i, &random);
    for (int o = 0; o < outputs; ++o) {
      weight_scales[o] = static_cast<float>(random.Between(1, 1 << 20)) / 31e6f;
      bias[o] = static_cast<float>(random.Between(-1000, 1000)) / 333.0f;
    }
    a = {activations.data(), scales.data(), sums.data(), rows, cols, stride, bits};
    w.rows = outputs;
    w.cols = cols;
    Constrain(w, &weights);
    SetScale(weight_scales.data(), &w);
    Pack(weights.data(), &w, panels.data());
  }

  // What the product is by definition, from the unpacked weights.
  float Expected(int r, int o, bool with_bias) const {
    int64_t sum = 0;
    for (int c = 0; c < a.cols; ++c)
      sum += int64_t{a.data[r * a.stride + c]} * weights[static_cast<size_t>(o) * a.cols + c];
    const float product = static_cast<float>(static_cast<int32_t>(sum)) * (scales[r] * weight_scales[o]);
    return with_bias ? product + bias[o] : product;
  }

  GuardedArray<int8_t> activations;
  GuardedArray<float> scales;
  GuardedArray<int32_t> sums;
  std::vector<int8_t> weights;  // (outputs, cols)
  GuardedArray<uint8_t> panels;
  GuardedArray<float> weight_scales;
  GuardedArray<float> bias;
  QuantizedRows a;
  Matrix w;
};

// (rows, outputs) floats `stride` apart, every other float a canary.
class OutputRows {
 public:
  OutputRows(int rows, int outputs, size_t stride)
      : rows_(rows), outputs_(outputs), stride_(stride), data_((rows > 0 ? rows : 1) * stride + kMargin) {
    for (size_t i = 0; i < data_.size(); ++i) data_[i] = kCanary;
  }
  float* data() { return data_.data() + kMargin; }
  size_t stride() const { return stride_; }
  float at(int r, int o) const { return data_[kMargin + r * stride_ + o]; }
  bool CanariesAlive() const {
    for (size_t i = 0; i < data_.size(); ++i) {
      const size_t at = i - kMargin;
      const bool inside =
          i >= kMargin && at / stride_ < static_cast<size_t>(rows_) && at % stride_ < static_cast<size_t>(outputs_);
      if (!inside && data_[i] != kCanary) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kMargin = 16;
  static constexpr float kCanary = -12345.75f;
  int rows_;
  int outputs_;
  size_t stride_;
  GuardedArray<float> data_;
};

inline bool SameBits(float x, float y) {
  return std::memcmp(&x, &y, sizeof x) == 0;
}

}  // namespace sottovoce
