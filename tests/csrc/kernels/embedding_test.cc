#include <doctest/doctest.h>

#include <cmath>

#include "kernels/guarded_buffer.h"
#include "kernels/vector_kernels.h"
#include "kernels/vector_ops.h"

namespace sottovoce {
namespace {

TEST_CASE("embedding rows are added bit for bit as the reference, at every length") {
  std::mt19937 engine(11);
  for (const auto& row : EmbeddingRows()) {
    if (!CpuSupports(row.isa)) continue;
    const std::string isa = IsaName(row.isa);
    CAPTURE(isa);
    bool q1_equal = true, q2_equal = true, q8_equal = true, intact = true;
    for (int cols = 0; cols <= 300; ++cols) {
      const size_t count = static_cast<size_t>(cols), row_bytes = (count + 3) / 4;
      GuardedBuffer<uint8_t> q2(row_bytes, count % 3);
      GuardedBuffer<int8_t> q8(count, count % 5);
      const size_t bit_bytes = (count + 7) / 8;
      GuardedBuffer<uint8_t> q1(bit_bytes, count % 5);
      for (size_t i = 0; i < bit_bytes; ++i) q1[i] = static_cast<uint8_t>(engine());
      std::vector<int> codes(count);
      for (size_t i = 0; i < row_bytes; ++i) q2[i] = 0;
      for (size_t c = 0; c < count; ++c) {
        codes[c] = static_cast<int>(engine() % 3);
        q2[c / 4] = static_cast<uint8_t>(q2[c / 4] | codes[c] << 2 * (c % 4));
        q8[c] = static_cast<int8_t>(engine() % 255);
      }
      const std::vector<float> start = NormalFloats(count, 1.0f, 5);
      const float scale = 0.0371f;
      GuardedBuffer<float> y1(count, count % 4), y2(count, count % 7), y8(count, count % 3);
      y1.Fill(start);
      y2.Fill(start);
      y8.Fill(start);
      row.kernels->add_q1(q1.data(), scale, cols, y1.data());
      row.kernels->add_q2(q2.data(), scale, cols, y2.data());
      row.kernels->add_q8(q8.data(), scale, cols, y8.data());
      for (size_t c = 0; c < count; ++c) {
        const float ternary = static_cast<float>(codes[c] - 1) * scale, byte = static_cast<float>(q8[c]) * scale;
        q1_equal &= y1[c] == start[c] + ((q1[c / 8] >> c % 8 & 1) != 0 ? scale : -scale);
        q2_equal &= y2[c] == start[c] + ternary;
        q8_equal &= y8[c] == start[c] + byte;
      }
      intact &= q1.Intact() && y1.Intact() && q2.Intact() && q8.Intact() && y2.Intact() && y8.Intact();
    }
    CHECK(q1_equal);
    CHECK(q2_equal);
    CHECK(q8_equal);
    CHECK(intact);
  }
}

TEST_CASE("EmbedQ1, EmbedQ2 and EmbedQ8 pick the row and its scale") {
  const uint8_t q2[] = {0x24, 0x01, 0x1A, 0x02};  // codes 0 1 2 0 1 | 2 2 1 0 2
  const int8_t q8[] = {1, 2, 3, 4, 5, -1, -2, -3, -4, -127};
  const float scale[] = {10.0f, 0.5f};
  float y[5] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
  EmbedQ2(q2, scale, 1, 5, y);
  const float want2[] = {1.5f, 1.5f, 1.0f, 0.5f, 1.5f};
  CHECK(SameBits(y, want2, 5));
  EmbedQ8(q8, scale, 1, 5, y);
  const float want8[] = {1.0f, 0.5f, -0.5f, -1.5f, -62.0f};
  CHECK(SameBits(y, want8, 5));
  const uint8_t q1[] = {0x00, 0x15};  // row 1: + - + - +
  EmbedQ1(q1, scale, 1, 5, y);
  const float want1[] = {1.5f, 0.0f, 0.0f, -2.0f, -61.5f};
  CHECK(SameBits(y, want1, 5));
}

TEST_CASE("HalfToFloat is exact for all 65536 halves") {
  size_t wrong = 0;
  for (uint32_t half = 0; half < 65536; ++half) {
    const int exponent = static_cast<int>(half >> 10 & 31), mantissa = static_cast<int>(half & 1023);
    const float got = HalfToFloat(static_cast<uint16_t>(half));
    const bool negative = (half & 0x8000) != 0;
    if (exponent == 31) {
      wrong += mantissa == 0 ? !std::isinf(got) : !std::isnan(got);
    } else {
      const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      wrong += std::fabs(static_cast<double>(got)) != magnitude;
    }
    wrong += std::signbit(got) != negative;
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace sottovoce
