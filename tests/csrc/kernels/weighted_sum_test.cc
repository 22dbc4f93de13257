#include <doctest/doctest.h>

#include <vector>

#include "kernels/guarded_buffer.h"
#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {

TEST_CASE("weighted sums of rows are the plain loop, bit for bit, on every ISA") {
  for (const auto& row : WeightedSumRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    for (size_t cols = 0; cols <= 150; ++cols) {
      for (size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{33}}) {
        const std::vector<float> weights = NormalFloats(count, 1.0f, 1), rows = NormalFloats(count * cols, 1.0f, 2);
        std::vector<float> want = NormalFloats(cols, 1.0f, 3);
        GuardedBuffer<float> y(cols, cols % 5);
        y.Fill(want);
        for (size_t j = 0; j < count; ++j) {
          for (size_t c = 0; c < cols; ++c) want[c] += weights[j] * rows[j * cols + c];
        }
        const size_t half = count / 2;
        const int width = static_cast<int>(cols);
        row.kernels->add(weights.data(), rows.data(), static_cast<int>(half), width, y.data());
        row.kernels->add(weights.data() + half, rows.data() + half * cols, static_cast<int>(count - half), width,
                         y.data());
        CHECK(y.Intact());
        CHECK(SameBits(y.data(), want.data(), cols));
      }
    }
  }
}

}  // namespace sottovoce
