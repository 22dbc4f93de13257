// Speed of the integer products: every row of the kernels.inc files that this CPU can run, at the shapes of small
// encoders.
//   gemm_bench [--cold] [--kernel PART_OF_NAME] [--shape M K N]...
// Warm: all kernels of a shape are interleaved, weights stay in cache. Cold: 96 MB are written between calls, so
// weights come from memory. Prints the median and the least time; MAC/cycle uses the clock measured beside it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/registry.h"

namespace {

using namespace sottovoce;
using Clock = std::chrono::steady_clock;

struct Shape {
  int rows, cols, outputs;  // M, K, N
};

double Microseconds(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// Cycles a microsecond, from a chain of additions of one cycle each, while `run` keeps the core as busy as it does:
// wide vectors lower the clock for about a millisecond.
double MeasureClock(const std::function<void()>& run) {
  constexpr int kSteps = 4000;
  double best = 1e9;
  for (int i = 0; i < 12; ++i) {
    const Clock::time_point warm = Clock::now();
    do {
      run();
    } while (Microseconds(warm) < 1000.0);
    unsigned long x = 1;
    const Clock::time_point start = Clock::now();
    for (int step = 0; step < kSteps; step += 8) {
#define SV_STEP \
  x += 3;       \
  asm volatile("" : "+r"(x));
      SV_STEP SV_STEP SV_STEP SV_STEP SV_STEP SV_STEP SV_STEP SV_STEP
#undef SV_STEP
    }
    best = std::min(best, Microseconds(start));
  }
  return kSteps / best;
}

struct Operands {
  explicit Operands(const Shape& shape)
      : stride(QuantizedStride(shape.cols)),
        activations(shape.rows * stride),
        scales(shape.rows, 0.01f),
        sums(shape.rows),
        panels2(PackedBytesQ2(shape.outputs, shape.cols) + 64),
        panels8(PackedBytesQ8(shape.outputs, shape.cols) + 64),
        panels1(PackedBytesQ1(shape.outputs, shape.cols) + 64),
        weight_scales(shape.outputs, 0.02f),
        bias(shape.outputs, 0.5f),
        y(static_cast<size_t>(shape.rows) * shape.outputs) {
    uint32_t state = 1;
    const auto next = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
    for (int r = 0; r < shape.rows; ++r) {
      for (int c = 0; c < shape.cols; ++c) {
        activations[r * stride + c] = static_cast<int8_t>(static_cast<int>(next() % 255) - 127);
        sums[r] += activations[r * stride + c];
      }
    }
    std::vector<int8_t> weights(static_cast<size_t>(shape.outputs) * shape.cols);
    for (int8_t& weight : weights) weight = static_cast<int8_t>(static_cast<int>(next() % 3) - 1);
    PackQ2(weights.data(), shape.outputs, shape.cols, Aligned(panels2));
    for (int8_t& weight : weights) weight = static_cast<int8_t>(static_cast<int>(next() % 255) - 127);
    PackQ8(weights.data(), shape.outputs, shape.cols, Aligned(panels8));
    for (int8_t& weight : weights) weight = static_cast<int8_t>(next() % 2 == 0 ? 1 : -1);
    PackQ1(weights.data(), shape.outputs, shape.cols, Aligned(panels1));
    a = {activations.data(), scales.data(), sums.data(), shape.rows, shape.cols, stride};
    q2 = {Aligned(panels2), weight_scales.data(), shape.outputs, shape.cols};
    q8 = {Aligned(panels8), weight_scales.data(), shape.outputs, shape.cols};
    q1 = {{Aligned(panels1), nullptr}, {weight_scales.data(), nullptr}, 1, shape.outputs, shape.cols};
  }

  template <typename T>
  static T* Aligned(std::vector<T>& bytes) {
    return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
  }
  const MatrixQ2& matrix(const MatrixQ2*) const { return q2; }
  const MatrixQ8& matrix(const MatrixQ8*) const { return q8; }
  const MatrixQ1& matrix(const MatrixQ1*) const { return q1; }

  size_t stride;
  std::vector<int8_t> activations;
  std::vector<float> scales;
  std::vector<int32_t> sums;
  std::vector<uint8_t> panels2;
  std::vector<int8_t> panels8;
  std::vector<uint8_t> panels1;
  std::vector<float> weight_scales, bias, y;
  QuantizedRows a;
  MatrixQ2 q2;
  MatrixQ8 q8;
  MatrixQ1 q1;
};

// All rows with this kernel alone, tile after tile.
template <typename Matrix>
void RunAll(const GemmKernel<Matrix>& kernel, Operands* operands) {
  const Matrix& w = operands->matrix(static_cast<const Matrix*>(nullptr));
  for (int row = 0; row < operands->a.rows; row += kernel.max_rows) {
    QuantizedRows tile = operands->a;
    tile.data += row * tile.stride;
    tile.scale += row;
    tile.sum += row;
    tile.rows = std::min(kernel.max_rows, operands->a.rows - row);
    kernel.run(tile, w, operands->bias.data(), operands->y.data() + static_cast<size_t>(row) * w.rows, w.rows);
  }
}

struct Measurement {
  std::string name;
  std::function<void()> run;
  std::vector<double> microseconds = {};
};

template <typename Matrix>
void AddKernels(KernelTable<GemmKernel<Matrix>> kernels, const Shape& shape, const std::string& filter,
                Operands* operands, std::vector<Measurement>* all) {
  for (const GemmKernel<Matrix>& kernel : kernels) {
    if (!kernel.usable() || kernel.max_cols < shape.cols) continue;
    if (std::string(kernel.name).find(filter) == std::string::npos) continue;
    all->push_back({kernel.name, [&kernel, operands] { RunAll(kernel, operands); }});
  }
}

void Evict() {
  static std::vector<char> bytes(96 << 20);
  for (size_t i = 0; i < bytes.size(); i += 64) ++bytes[i];
}

void MeasureShape(const Shape& shape, const std::string& filter, bool cold) {
  Operands operands(shape);
  std::vector<Measurement> all;
  AddKernels(GemmQ2Kernels(), shape, filter, &operands, &all);
  AddKernels(GemmQ8Kernels(), shape, filter, &operands, &all);
  AddKernels(GemmQ1Kernels(), shape, filter, &operands, &all);
  const double macs = 1.0 * shape.rows * shape.cols * shape.outputs;
  for (Measurement& m : all) m.run();
  for (int round = 0; round < (cold ? 9 : 101); ++round) {
    for (Measurement& m : all) {
      if (cold) {
        Evict();
      } else {
        m.run();  // the other kernels' operands have left the nearest cache
      }
      const Clock::time_point start = Clock::now();
      m.run();
      m.microseconds.push_back(Microseconds(start));
    }
  }
  std::printf("M %d K %d N %d, %s\n", shape.rows, shape.cols, shape.outputs, cold ? "cold" : "warm");
  for (Measurement& m : all) {
    std::sort(m.microseconds.begin(), m.microseconds.end());
    const double median = m.microseconds[m.microseconds.size() / 2], least = m.microseconds[0];
    const double cycles = MeasureClock(m.run);  // a microsecond
    std::printf("  %-32s median %9.2f us  least %9.2f us  %7.1f GMAC/s  %6.1f MAC/cycle at %.2f GHz\n", m.name.c_str(),
                median, least, macs / median / 1e3, macs / least / cycles, cycles / 1e3);
  }
  std::fflush(stdout);
}

int Usage() {
  std::fprintf(stderr, "gemm_bench [--cold] [--kernel PART_OF_NAME] [--shape M K N]...\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  bool cold = false;
  std::string filter;
  std::vector<Shape> shapes;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--cold") == 0) {
      cold = true;
    } else if (std::strcmp(argv[i], "--kernel") == 0 && i + 1 < argc) {
      filter = argv[++i];
    } else if (std::strcmp(argv[i], "--shape") == 0 && i + 3 < argc) {
      shapes.push_back({std::atoi(argv[i + 1]), std::atoi(argv[i + 2]), std::atoi(argv[i + 3])});
      if (shapes.back().rows < 1 || shapes.back().cols < 1 || shapes.back().outputs < 1) return Usage();
      i += 3;
    } else {
      return Usage();
    }
  }
  if (shapes.empty()) {
    constexpr int kLayers[][2] = {{312, 312}, {312, 936}, {312, 1200}, {1200, 312}, {384, 1536}, {1536, 384}};
    for (int rows : {1, 4, 8, 16, 32}) {
      for (const int* layer : kLayers) shapes.push_back({rows, layer[0], layer[1]});
    }
  }
  for (const Shape& shape : shapes) MeasureShape(shape, filter, cold);
  return 0;
}
