// The kernels on numpy arrays, so that tests and benchmarks can feed each operation the torch reference's own input.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/registry.h"
#include "kernels/gemm.h"
#include "kernels/vector_ops.h"
#include "nn/ghost.h"

namespace py = pybind11;

namespace sottovoce::bindings {
namespace {

template <typename T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

void Require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

int Rows(const py::array& matrix) {
  Require(matrix.ndim() == 2, "wanted a matrix");
  return static_cast<int>(matrix.shape(0));
}

int Cols(const py::array& matrix) {
  return static_cast<int>(matrix.shape(1));
}

Array<float> MakeMatrix(int rows, int cols) {
  return Array<float>({rows, cols});
}

// (codes (rows, cols), scale (rows), sum (rows)).
py::tuple PyQuantizeRows(const Array<float>& x, float clip, const std::string& granularity) {
  const int rows = Rows(x), cols = Cols(x);
  const size_t stride = QuantizedStride(cols);
  std::vector<int8_t> data(static_cast<size_t>(rows) * stride);
  Array<float> scale(rows);
  Array<int32_t> sum(rows);
  Require(granularity == "token" || granularity == "tensor", "granularity: wanted 'token' or 'tensor'");
  QuantizeRows(x.data(), rows, cols, static_cast<size_t>(cols), clip,
               granularity == "token" ? Granularity::kPerToken : Granularity::kPerTensor, data.data(),
               scale.mutable_data(), sum.mutable_data());
  Array<int8_t> codes({rows, cols});
  for (int r = 0; r < rows; ++r) {
    std::copy_n(data.data() + static_cast<size_t>(r) * stride, cols, codes.mutable_data(r, 0));
  }
  return py::make_tuple(codes, scale, sum);
}

// How activations become integers: (bits, symmetric, granularity, low, high, step) of ActivationQuantizer.
ActivationQuantizer QuantizerOf(int bits, bool symmetric, const std::string& granularity, float low, float high,
                                float step) {
  Require(bits == 4 || bits == 8, "bits: wanted 4 or 8");
  Require(granularity == "token" || granularity == "tensor", "granularity: wanted 'token' or 'tensor'");
  ActivationQuantizer quantizer;
  quantizer.granularity = granularity == "token" ? Granularity::kPerToken : Granularity::kPerTensor;
  quantizer.top = (1 << (bits - 1)) - 1;
  quantizer.symmetric = symmetric;
  quantizer.low = low;
  quantizer.high = high;
  quantizer.step = step;
  return quantizer;
}

// (codes (rows, cols), scale (rows), offset (rows)).
py::tuple PyQuantizeRowsBy(const Array<float>& x, int bits, bool symmetric, const std::string& granularity, float low,
                           float high, float step) {
  const int rows = Rows(x), cols = Cols(x);
  const size_t stride = QuantizedStride(cols);
  std::vector<int8_t> data(static_cast<size_t>(rows) * stride);
  std::vector<int32_t> sum(static_cast<size_t>(rows));
  Array<float> scale(rows), offset(rows);
  QuantizeRowsBy(QuantizerOf(bits, symmetric, granularity, low, high, step), x.data(), rows, cols,
                 static_cast<size_t>(cols), data.data(), scale.mutable_data(), sum.data(), offset.mutable_data());
  Array<int8_t> codes({rows, cols});
  for (int r = 0; r < rows; ++r) {
    std::copy_n(data.data() + static_cast<size_t>(r) * stride, cols, codes.mutable_data(r, 0));
  }
  return py::make_tuple(codes, scale, offset);
}

// Codes (rows, cols) as the padded rows that kernels read.
struct PaddedRows {
  explicit PaddedRows(const Array<int8_t>& codes, const Array<float>& scale) {
    const int rows = Rows(codes), cols = Cols(codes);
    Require(scale.size() == rows, "scale: wanted one per row");
    const size_t stride = QuantizedStride(cols);
    data.assign(static_cast<size_t>(rows) * stride, 0);
    sum.assign(static_cast<size_t>(rows), 0);
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < cols; ++c) {
        const int8_t code = *codes.data(r, c);
        data[static_cast<size_t>(r) * stride + static_cast<size_t>(c)] = code;
        sum[static_cast<size_t>(r)] += code;
      }
    }
    view = {data.data(), scale.data(), sum.data(), rows, cols, stride};
  }
  std::vector<int8_t> data;
  std::vector<int32_t> sum;
  QuantizedRows view;
};

Array<float> PyGemmQ2(const Array<int8_t>& codes, const Array<float>& scale, const Array<uint8_t>& panels,
                      const Array<float>& weight_scale, const Array<float>& bias) {
  const PaddedRows input(codes, scale);
  const int rows = static_cast<int>(weight_scale.size());
  Require(static_cast<size_t>(panels.size()) == PackedBytesQ2(rows, input.view.cols), "panels: wrong size");
  Require(bias.size() == rows, "bias: wanted one per output");
  Array<float> y = MakeMatrix(input.view.rows, rows);
  GemmQd8Q2(input.view, {panels.data(), weight_scale.data(), rows, input.view.cols}, bias.data(), y.mutable_data(),
            static_cast<size_t>(rows));
  return y;
}

// panels: (bytes), or (2, bytes) with weight_scale (2, outputs), two halves; bits: of the codes.
Array<float> PyGemmQ1(const Array<int8_t>& codes, const Array<float>& scale, const Array<uint8_t>& panels,
                      const Array<float>& weight_scale, const Array<float>& bias, int bits) {
  PaddedRows input(codes, scale);
  input.view.bits = bits;
  const int rows = static_cast<int>(bias.size()), halves = panels.ndim() == 2 ? 2 : 1;
  Require(weight_scale.size() == static_cast<py::ssize_t>(halves) * rows, "weight_scale: wanted one per output");
  const size_t bytes = PackedBytesQ1(rows, input.view.cols);
  Require(static_cast<size_t>(panels.size()) == static_cast<size_t>(halves) * bytes, "panels: wrong size");
  Array<float> y = MakeMatrix(input.view.rows, rows);
  GemmQd8Q1(input.view,
            {{panels.data(), panels.data() + bytes},
             {weight_scale.data(), weight_scale.data() + rows},
             halves,
             rows,
             input.view.cols},
            bias.data(), y.mutable_data(), static_cast<size_t>(rows));
  return y;
}

Array<float> PyGemmQ8(const Array<int8_t>& codes, const Array<float>& scale, const Array<int8_t>& panels,
                      const Array<float>& weight_scale, const Array<float>& bias) {
  const PaddedRows input(codes, scale);
  const int rows = static_cast<int>(weight_scale.size());
  Require(static_cast<size_t>(panels.size()) == PackedBytesQ8(rows, input.view.cols), "panels: wrong size");
  Require(bias.size() == rows, "bias: wanted one per output");
  Array<float> y = MakeMatrix(input.view.rows, rows);
  GemmQd8Q8(input.view, {panels.data(), weight_scale.data(), rows, input.view.cols}, bias.data(), y.mutable_data(),
            static_cast<size_t>(rows));
  return y;
}

Array<float> PyGemmF32(const Array<float>& x, const Array<float>& weights, const Array<float>& bias) {
  const int rows = Rows(weights), cols = Cols(weights);
  Require(Cols(x) == cols && bias.size() == rows, "shapes do not fit");
  Array<float> y = MakeMatrix(Rows(x), rows);
  GemmF32(x.data(), Rows(x), static_cast<size_t>(cols), {weights.data(), rows, cols}, bias.data(), y.mutable_data(),
          static_cast<size_t>(rows));
  return y;
}

Array<float> PyLayerNorm(const Array<float>& x, const Array<float>& residual, const Array<float>& weight,
                         const Array<float>& bias, float epsilon) {
  const int rows = Rows(x), cols = Cols(x);
  Require(Rows(residual) == rows && Cols(residual) == cols && weight.size() == cols && bias.size() == cols,
          "shapes do not fit");
  Array<float> y = MakeMatrix(rows, cols);
  LayerNorm(x.data(), residual.data(), weight.data(), bias.data(), epsilon, rows, cols, y.mutable_data());
  return y;
}

Array<float> PySoftmax(const Array<float>& x) {
  const int rows = Rows(x), cols = Cols(x);
  Array<float> y = MakeMatrix(rows, cols);
  std::copy_n(x.data(), x.size(), y.mutable_data());
  Softmax(y.mutable_data(), rows, cols, static_cast<size_t>(cols));
  return y;
}

// relative: (2 most + 1, head_size), or empty for none.
Array<float> PyAttention(const Array<float>& q, const Array<float>& k, const Array<float>& v, int heads, float scale,
                         const Array<float>& relative) {
  const int tokens = Rows(q), width = Cols(q);
  Require(Rows(k) == tokens && Rows(v) == tokens && Cols(k) == width && Cols(v) == width, "q, k, v: one shape");
  Require(heads > 0 && width % heads == 0, "heads: must divide the width");
  Array<float> y = MakeMatrix(tokens, width);
  const int head_size = width / heads;
  const bool has_relative = relative.size() > 0;
  Require(!has_relative || (relative.ndim() == 2 && Rows(relative) % 2 == 1 && Cols(relative) == head_size),
          "relative: wanted (2 most + 1, head size)");
  const int most = has_relative ? Rows(relative) / 2 : 0;
  std::vector<float> scratch(AttentionScratch(tokens, head_size, most));
  const size_t stride = static_cast<size_t>(width);
  Attention(q.data(), k.data(), v.data(), stride, tokens, heads, head_size, scale,
            {has_relative ? relative.data() : nullptr, most}, y.mutable_data(), stride, scratch.data());
  return y;
}

Array<float> PyGhost(const Array<float>& x, const Array<float>& logits) {
  Require(logits.ndim() == 3 && logits.shape(2) == 3 && logits.shape(1) == Cols(x),
          "logits: wanted (features, width, 3)");
  const int rows = Rows(x);
  Array<float> y = MakeMatrix(rows, Cols(x));
  std::copy_n(x.data(), x.size(), y.mutable_data());
  std::vector<float> scratch;
  Ghost(logits.data(), static_cast<int>(logits.shape(0)), Cols(x)).Apply(y.mutable_data(), rows, scratch);
  return y;
}

template <void (*Function)(const float*, size_t, float*)>
Array<float> Elementwise(const Array<float>& x) {
  Array<float> y(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
  Function(x.data(), static_cast<size_t>(x.size()), y.mutable_data());
  return y;
}

}  // namespace

SV_BIND(kernels) {
  py::module_ kernels = module.def_submodule("kernels", "Each kernel on numpy arrays, for tests and benchmarks.");
  using namespace pybind11::literals;
  kernels.def("quantize_rows", &PyQuantizeRows, "x"_a, "clip"_a = 0.0f, "granularity"_a = "token");
  kernels.def("quantize_rows_by", &PyQuantizeRowsBy, "x"_a, "bits"_a = 8, "symmetric"_a = true,
              "granularity"_a = "token", "low"_a = 0.0f, "high"_a = 0.0f, "step"_a = 0.0f);
  kernels.def("gemm_q1", &PyGemmQ1, "codes"_a, "scale"_a, "panels"_a, "weight_scale"_a, "bias"_a, "bits"_a = 8);
  kernels.def("gemm_q2", &PyGemmQ2, "codes"_a, "scale"_a, "panels"_a, "weight_scale"_a, "bias"_a);
  kernels.def("gemm_q8", &PyGemmQ8, "codes"_a, "scale"_a, "panels"_a, "weight_scale"_a, "bias"_a);
  kernels.def("gemm_f32", &PyGemmF32, "x"_a, "weights"_a, "bias"_a);
  kernels.def("layer_norm", &PyLayerNorm, "x"_a, "residual"_a, "weight"_a, "bias"_a, "epsilon"_a);
  kernels.def("softmax", &PySoftmax, "x"_a);
  kernels.def("attention", &PyAttention, "q"_a, "k"_a, "v"_a, "heads"_a, "scale"_a,
              "relative"_a = Array<float>(std::vector<py::ssize_t>{0, 0}));
  kernels.def("ghost", &PyGhost, "x"_a, "logits"_a);
  kernels.def("gelu", &Elementwise<&Gelu>, "x"_a);
  kernels.def("tanh", &Elementwise<&Tanh>, "x"_a);
}

}  // namespace sottovoce::bindings
