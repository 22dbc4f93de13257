// The kernels on numpy arrays, so that tests and benchmarks can feed each operation the torch reference's own input.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/registry.h"
#include "kernels/gemm.h"
#include "kernels/vector_ops.h"

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

Array<float> PyAttention(const Array<float>& q, const Array<float>& k, const Array<float>& v, int heads, float scale) {
  const int tokens = Rows(q), width = Cols(q);
  Require(Rows(k) == tokens && Rows(v) == tokens && Cols(k) == width && Cols(v) == width, "q, k, v: one shape");
  Require(heads > 0 && width % heads == 0, "heads: must divide the width");
  Array<float> y = MakeMatrix(tokens, width);
  const int head_size = width / heads;
  std::vector<float> scratch(AttentionScratch(tokens, head_size));
  const size_t stride = static_cast<size_t>(width);
  Attention(q.data(), k.data(), v.data(), stride, tokens, heads, head_size, scale, y.mutable_data(), stride,
            scratch.data());
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
  kernels.def("gemm_q2", &PyGemmQ2, "codes"_a, "scale"_a, "panels"_a, "weight_scale"_a, "bias"_a);
  kernels.def("gemm_q8", &PyGemmQ8, "codes"_a, "scale"_a, "panels"_a, "weight_scale"_a, "bias"_a);
  kernels.def("gemm_f32", &PyGemmF32, "x"_a, "weights"_a, "bias"_a);
  kernels.def("layer_norm", &PyLayerNorm, "x"_a, "residual"_a, "weight"_a, "bias"_a, "epsilon"_a);
  kernels.def("softmax", &PySoftmax, "x"_a);
  kernels.def("attention", &PyAttention, "q"_a, "k"_a, "v"_a, "heads"_a, "scale"_a);
  kernels.def("gelu", &Elementwise<&Gelu>, "x"_a);
  kernels.def("tanh", &Elementwise<&Tanh>, "x"_a);
}

}  // namespace sottovoce::bindings
