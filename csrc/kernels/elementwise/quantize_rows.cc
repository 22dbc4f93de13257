#include "kernels/elementwise/quantize_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/vector_kernels.h"

namespace sottovoce {
namespace {

// The rare rows: with a NaN (counted as 0), an infinity, or so small that 127 / m overflows. One piece of code for all
// ISAs.
float MaxAbsWithoutNan(const float* x, size_t n) {
  float largest = 0.0f;
  for (size_t i = 0; i < n; ++i) largest = std::fabs(x[i]) > largest ? std::fabs(x[i]) : largest;
  return largest;
}

int32_t QuantizeAnything(const float* x, size_t n, float limit, float inverse, int8_t* q) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const float scaled = std::nearbyint(std::min(std::max(x[i], -limit), limit) * inverse);
    const float value = std::isnan(x[i]) || std::isnan(scaled) ? 0.0f : std::min(std::max(scaled, -127.0f), 127.0f);
    q[i] = static_cast<int8_t>(value);
    sum += q[i];
  }
  return sum;
}

// Quantizes rows of which `max_abs(row)` gives the largest magnitude, NaN when there is one; it is called once for each
// row, in order, and may write the row first.
template <typename MaxAbs>
void Rows(const ElementwiseKernels& kernels, const float* x, int rows, int cols, size_t x_stride, float clip,
          Granularity granularity, int8_t* data, float* scale, int32_t* sum, const MaxAbs& max_abs) {
  const size_t count = static_cast<size_t>(cols), stride = QuantizedStride(cols);
  const float limit = clip > 0.0f ? clip : std::numeric_limits<float>::infinity();
  const auto row_at = [&](int row) { return x + static_cast<size_t>(row) * x_stride; };
  const auto largest_of = [&](int row, float magnitude) {
    return std::min(std::isnan(magnitude) ? MaxAbsWithoutNan(row_at(row), count) : magnitude, limit);
  };
  const auto quantize = [&](int row, float magnitude, float largest) {
    int8_t* out = data + static_cast<size_t>(row) * stride;
    scale[row] = largest / 127.0f;
    if (largest == 0.0f) {
      std::memset(out, 0, stride);
      sum[row] = 0;
      return;
    }
    const float inverse = 127.0f / largest;
    if (!std::isfinite(magnitude) || !std::isfinite(inverse)) {
      sum[row] = QuantizeAnything(row_at(row), count, limit, inverse, out);
    } else {
      sum[row] =
          (magnitude > limit ? kernels.quantize_clipped : kernels.quantize)(row_at(row), count, limit, inverse, out);
    }
    std::memset(out + count, 0, stride - count);
  };
  if (granularity == Granularity::kPerToken) {
    for (int row = 0; row < rows; ++row) {
      const float magnitude = max_abs(row);
      quantize(row, magnitude, largest_of(row, magnitude));
    }
    return;
  }
  float largest = 0.0f;
  for (int row = 0; row < rows; ++row) {
    scale[row] = max_abs(row);
    largest = std::max(largest, largest_of(row, scale[row]));
  }
  for (int row = 0; row < rows; ++row) quantize(row, scale[row], largest);
}

}  // namespace

void QuantizeRowsWith(const ElementwiseKernels& kernels, const float* x, int rows, int cols, size_t x_stride,
                      float clip, Granularity granularity, int8_t* data, float* scale, int32_t* sum) {
  Rows(kernels, x, rows, cols, x_stride, clip, granularity, data, scale, sum,
       [&](int row) { return kernels.max_abs(x + static_cast<size_t>(row) * x_stride, static_cast<size_t>(cols)); });
}

void GeluQuantizeRowsWith(const ElementwiseKernels& kernels, float* x, int rows, int cols, size_t x_stride, float clip,
                          Granularity granularity, int8_t* data, float* scale, int32_t* sum) {
  Rows(kernels, x, rows, cols, x_stride, clip, granularity, data, scale, sum, [&](int row) {
    float* values = x + static_cast<size_t>(row) * x_stride;
    return kernels.gelu_max_abs(values, static_cast<size_t>(cols), values);
  });
}

void LayerNormQuantizeRowsWith(const ElementwiseKernels& kernels, const NormalizeKernels& normalize, const float* x,
                               const float* residual, const float* weight, const float* bias, float epsilon, int rows,
                               int cols, float* y, float clip, Granularity granularity, int8_t* data, float* scale,
                               int32_t* sum) {
  const size_t count = static_cast<size_t>(cols);
  float largest[2];
  Rows(kernels, y, rows, cols, count, clip, granularity, data, scale, sum, [&](int row) {
    if (row % 2 == 0) {
      const size_t at = static_cast<size_t>(row) * count;
      normalize.layer_norm(x + at, residual != nullptr ? residual + at : nullptr, weight, bias, epsilon,
                           std::min(rows - row, 2), cols, y + at, largest);
    }
    return largest[row % 2];
  });
}

void QuantizeRows(const float* x, int rows, int cols, size_t x_stride, float clip, Granularity granularity,
                  int8_t* data, float* scale, int32_t* sum) {
  static const ElementwiseKernels& kernels = ElementwiseRows().For(ActiveIsa());
  QuantizeRowsWith(kernels, x, rows, cols, x_stride, clip, granularity, data, scale, sum);
}

void GeluQuantizeRows(float* x, int rows, int cols, size_t x_stride, float clip, Granularity granularity, int8_t* data,
                      float* scale, int32_t* sum) {
  static const ElementwiseKernels& kernels = ElementwiseRows().For(ActiveIsa());
  GeluQuantizeRowsWith(kernels, x, rows, cols, x_stride, clip, granularity, data, scale, sum);
}

void LayerNormQuantizeRows(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
                           int rows, int cols, float* y, float clip, Granularity granularity, int8_t* data,
                           float* scale, int32_t* sum) {
  static const ElementwiseKernels& kernels = ElementwiseRows().For(ActiveIsa());
  static const NormalizeKernels& normalize = NormalizeRows().For(ActiveIsa());
  LayerNormQuantizeRowsWith(kernels, normalize, x, residual, weight, bias, epsilon, rows, cols, y, clip, granularity,
                            data, scale, sum);
}

}  // namespace sottovoce
