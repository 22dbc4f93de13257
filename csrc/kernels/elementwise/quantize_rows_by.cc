// Activation quantizers beyond the plain one: learned bounds and steps, 4 bits, codes that count from the minimum. The
// float steps and their order are those of export/compress/activation_quant.py.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/elementwise/quantize_rows.h"
#include "kernels/vector_kernels.h"

namespace sottovoce {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kRangeFloor = 1e-8f;  // a constant tensor has no range

// Rows that are not finite, or whose codes are too fine for a float: rare, and one piece of code for all ISAs.
int32_t QuantizeAnything(const float* x, size_t n, const CodeRange& range, int8_t* q) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const float value = std::isnan(x[i]) ? 0.0f : std::min(std::max(x[i], range.low), range.high);
    const float counted = std::nearbyint((value - range.base) * range.inverse);
    const float code = std::isnan(counted) ? range.below : std::min(std::max(counted, range.bottom), range.levels);
    q[i] = static_cast<int8_t>(code - range.below);
    sum += q[i];
  }
  return sum;
}

// Extremes of a row after its bounds, a NaN counted as 0.
struct Extremes {
  float least = kInfinity, most = -kInfinity;
  bool finite = true;

  void Join(const Extremes& other) {
    least = std::min(least, other.least);
    most = std::max(most, other.most);
  }
};

Extremes ExtremesOf(const ElementwiseKernels& kernels, const float* x, size_t n, float low, float high) {
  Extremes row;
  row.finite = std::isfinite(kernels.max_abs(x, n));
  if (row.finite) {
    kernels.range(x, n, &row.least, &row.most);
  } else {
    for (size_t i = 0; i < n; ++i) {
      const float value = std::isnan(x[i]) ? 0.0f : x[i];
      row.least = std::min(row.least, value);
      row.most = std::max(row.most, value);
    }
  }
  row.least = std::min(std::max(row.least, low), high);
  row.most = std::min(std::max(row.most, low), high);
  return row;
}

// How the codes of rows with these extremes count; *scale is a code's worth.
CodeRange Counting(const ActivationQuantizer& quantizer, const Extremes& rows, float low, float high, float* scale) {
  const float top = static_cast<float>(quantizer.top);
  const bool symmetric = quantizer.symmetric;
  const float levels = symmetric ? top : 2.0f * top + 1.0f;
  CodeRange range = {low, high, symmetric ? 0.0f : rows.least, 0.0f, 0.0f, levels, symmetric ? 0.0f : top + 1.0f};
  if (quantizer.step > 0.0f) {
    *scale = quantizer.step;
    range.inverse = 1.0f / quantizer.step;
    if (symmetric) range.bottom = -top - 1.0f;
    return range;
  }
  const float span = symmetric ? std::max(rows.most, -rows.least) : (rows.most - rows.least) + kRangeFloor;
  *scale = span / levels;
  range.inverse = span > 0.0f ? levels / span : 0.0f;
  if (symmetric) range.bottom = -top;
  return range;
}

}  // namespace

bool ActivationQuantizer::operator==(const ActivationQuantizer& other) const {
  return granularity == other.granularity && top == other.top && symmetric == other.symmetric && low == other.low &&
         high == other.high && step == other.step;
}

void QuantizeRowsByWith(const ElementwiseKernels& kernels, const ActivationQuantizer& quantizer, const float* x,
                        int rows, int cols, size_t x_stride, int8_t* data, float* scale, int32_t* sum, float* offset) {
  const size_t count = static_cast<size_t>(cols), stride = QuantizedStride(cols);
  const bool bounded = quantizer.low != quantizer.high;
  const float low = bounded ? quantizer.low : -kInfinity, high = bounded ? quantizer.high : kInfinity;
  const auto extremes_of = [&](int row) {
    return ExtremesOf(kernels, x + static_cast<size_t>(row) * x_stride, count, low, high);
  };
  const bool shared = quantizer.granularity == Granularity::kPerTensor;
  Extremes all;
  bool all_finite = true;
  for (int row = 0; shared && row < rows; ++row) {
    const Extremes one = extremes_of(row);
    all.Join(one);
    all_finite &= one.finite;
  }
  for (int row = 0; row < rows; ++row) {
    const float* values = x + static_cast<size_t>(row) * x_stride;
    int8_t* out = data + static_cast<size_t>(row) * stride;
    const Extremes extremes = shared ? all : extremes_of(row);
    const CodeRange range = Counting(quantizer, extremes, low, high, &scale[row]);
    const bool fine = std::isfinite(range.inverse) && std::isfinite(extremes.most - extremes.least);
    sum[row] = (shared ? all_finite : extremes.finite) && fine ? kernels.quantize_from(values, count, &range, out)
                                                               : QuantizeAnything(values, count, range, out);
    offset[row] = quantizer.symmetric ? 0.0f : range.base + scale[row] * range.below;
    std::memset(out + count, 0, stride - count);
  }
}

void QuantizeRowsBy(const ActivationQuantizer& quantizer, const float* x, int rows, int cols, size_t x_stride,
                    int8_t* data, float* scale, int32_t* sum, float* offset) {
  static const ElementwiseKernels& kernels = ElementwiseRows().For(ActiveIsa());
  QuantizeRowsByWith(kernels, quantizer, x, rows, cols, x_stride, data, scale, sum, offset);
}

void DequantizeRows(const QuantizedRows& x, float* y, size_t y_stride) {
  for (int row = 0; row < x.rows; ++row) {
    const int8_t* from = x.data + static_cast<size_t>(row) * x.stride;
    float* to = y + static_cast<size_t>(row) * y_stride;
    const float scale = x.scale[row], offset = x.offset != nullptr ? x.offset[row] : 0.0f;
    for (int c = 0; c < x.cols; ++c) to[c] = static_cast<float>(from[c]) * scale + offset;
  }
}

}  // namespace sottovoce
