// Microseconds of the float kernels, every ISA row that this CPU can run, at the shapes of a TinyBERT-4 (312 wide, 12
// heads of 26, ffn 1200). Usage: vector_ops_bench [tokens] [layers]. The least of interleaved repetitions; "per call"
// is all layers.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/elementwise/quantize_rows.h"
#include "kernels/vector_kernels.h"

namespace {

using namespace sottovoce;

constexpr int kHidden = 312, kHeads = 12, kHeadSize = 26, kFfn = 1200;

std::vector<float> Normal(size_t count, float deviation, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

struct Measurement {
  std::string name;
  Isa isa;
  std::function<void()> run;
  double work;  // multiply-adds, 0 where it means nothing
  double best_microseconds;
};

void Measure(std::vector<Measurement>* all) {
  for (int round = 0; round < 60; ++round) {
    for (Measurement& m : *all) {
      constexpr int kRepeat = 8;
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < kRepeat; ++i) m.run();
      const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
      m.best_microseconds = std::min(m.best_microseconds, taken.count() / kRepeat);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int tokens = argc > 1 ? std::atoi(argv[1]) : 16, layers = argc > 2 ? std::atoi(argv[2]) : 4;
  if (tokens < 1 || layers < 1) {
    std::fprintf(stderr, "vector_ops_bench [tokens >= 1] [layers >= 1]\n");
    return 2;
  }
  const size_t count = static_cast<size_t>(tokens), hidden = count * kHidden, ffn = count * kFfn;
  const std::vector<float> x = Normal(ffn, 1.5f, 1), residual = Normal(hidden, 1.0f, 2), weight = Normal(kFfn, 1.0f, 3),
                           bias = Normal(kFfn, 1.0f, 4), q = Normal(hidden, 1.0f, 5), k = Normal(hidden, 1.0f, 6),
                           v = Normal(hidden, 1.0f, 7), matrix = Normal(1280 * 1280, 1.0f, 8);
  std::vector<float> y(ffn), work(ffn), scores(count * count), scale(count),
      scratch(AttentionScratch(tokens, kHeadSize));
  std::vector<int8_t> data(count * QuantizedStride(kFfn));
  std::vector<int32_t> sum(count);
  std::vector<uint8_t> q2(count * kHidden);
  std::vector<int8_t> q8(count * kHidden, 3);
  std::mt19937 engine(9);
  for (uint8_t& byte : q2)
    byte = static_cast<uint8_t>(engine() % 3 | engine() % 3 << 2 | engine() % 3 << 4 | engine() % 3 << 6);

  std::vector<Measurement> all;
  const auto add = [&](const std::string& name, Isa isa, std::function<void()> run, double mac = 0.0) {
    all.push_back({name, isa, std::move(run), mac, 1e30});
  };
  const Granularity per_token = Granularity::kPerToken;
  for (const auto& row : ElementwiseRows()) {
    const Isa isa = row.isa;
    if (!CpuSupports(isa)) continue;
    const ElementwiseKernels* e = row.kernels;
    const NormalizeKernels* n = &NormalizeRows().For(isa);
    const AttentionKernels* a = &AttentionRows().For(isa);
    const EmbeddingKernels* t = &EmbeddingRows().For(isa);
    const GemmF32Kernels* g = &GemmF32Rows().For(isa);
    const auto each_layer = [layers](auto body) {
      return [layers, body] {
        for (int layer = 0; layer < layers; ++layer) body();
      };
    };
    add("gelu, ffn", isa, each_layer([&, e] { e->gelu(x.data(), ffn, y.data()); }));
    add("quantize, ffn", isa, each_layer([&, e] {
          QuantizeRowsWith(*e, x.data(), tokens, kFfn, kFfn, 0.0f, per_token, data.data(), scale.data(), sum.data());
        }));
    add("gelu + quantize, ffn", isa, each_layer([&, e] {
          // From x again each time: repeated gelu in place would run into subnormals.
          std::copy(x.begin(), x.end(), work.begin());
          GeluQuantizeRowsWith(*e, work.data(), tokens, kFfn, kFfn, 0.0f, per_token, data.data(), scale.data(),
                               sum.data());
        }));
    add("quantize, hidden", isa, each_layer([&, e] {
          QuantizeRowsWith(*e, x.data(), tokens, kHidden, kHidden, 0.0f, per_token, data.data(), scale.data(),
                           sum.data());
        }));
    add("2 x layer norm + quantize, hidden", isa, each_layer([&, e, n] {
          for (int i = 0; i < 2; ++i) {
            LayerNormQuantizeRowsWith(*e, *n, x.data(), residual.data(), weight.data(), bias.data(), 1e-12f, tokens,
                                      kHidden, y.data(), 0.0f, per_token, data.data(), scale.data(), sum.data());
          }
        }));
    add("attention", isa, each_layer([&, a] {
          a->attention(q.data(), k.data(), v.data(), kHidden, tokens, kHeads, kHeadSize, 0.196f, {}, y.data(), kHidden,
                       scratch.data());
        }),
        2.0 * layers * kHeads * kHeadSize * tokens * tokens);
    add("softmax, (heads * tokens, tokens)", isa, each_layer([&, n] {
          for (int h = 0; h < kHeads; ++h) {
            for (size_t r = 0; r < count; ++r) n->softmax(scores.data() + r * count, tokens);
          }
        }));
    add("3 embeddings q2 (once)", isa, [&, t] {
      for (size_t r = 0; r < 3 * count; ++r) {
        t->add_q2(q2.data() + r % count * kHidden / 4, 0.1f, kHidden, y.data() + r % count * kHidden);
      }
    });
    add("3 embeddings q8 (once)", isa, [&, t] {
      for (size_t r = 0; r < 3 * count; ++r) {
        t->add_q8(q8.data() + r % count * kHidden, 0.1f, kHidden, y.data() + r % count * kHidden);
      }
    });
    for (int rows : {1, 2, 4, 16}) {
      add(
          "f32 product, " + std::to_string(rows) + " x 312 x 312", isa,
          [&, g, rows] {
            g->gemm(matrix.data(), rows, kHidden, matrix.data(), kHidden, kHidden, bias.data(), y.data(), kHidden);
          },
          static_cast<double>(rows) * kHidden * kHidden);
    }
    add(
        "f32 product, 1 x 1200 x 1200", isa,
        [&, g] { g->gemm(matrix.data(), 1, kFfn, matrix.data(), kFfn, kFfn, bias.data(), y.data(), kFfn); },
        static_cast<double>(kFfn) * kFfn);
  }
  Measure(&all);
  std::printf("%d tokens, %d layers, hidden %d, %d heads of %d, ffn %d\n%-36s %-12s %12s %12s\n", tokens, layers,
              kHidden, kHeads, kHeadSize, kFfn, "operation", "ISA", "microseconds", "GMAC/s");
  std::stable_sort(all.begin(), all.end(), [](const Measurement& a, const Measurement& b) { return a.name < b.name; });
  for (const Measurement& m : all) {
    std::printf("%-36s %-12s %12.2f", m.name.c_str(), IsaName(m.isa), m.best_microseconds);
    if (m.work > 0.0) std::printf(" %12.1f", m.work / m.best_microseconds * 1e-3);
    std::printf("\n");
  }
  return 0;
}
