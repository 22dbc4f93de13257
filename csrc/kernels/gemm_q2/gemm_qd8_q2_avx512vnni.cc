// Ternary weights as unsigned codes {0, 1, 2}: minus the sum of the activations makes up for the 1.
//
// Separating a byte's four 2-bit fields takes 4 masks and 3 shifts. A field masked in place is its code times 4^field:
// with an accumulator of its own it needs no shift, for the sum is divided later, exactly. So up to 4 rows have an
// accumulator for each field, and taller tiles as many as registers allow.
#include "kernels/gemm_q2/gemm_qd8_q2.h"
#include "kernels/gemm_tile_avx512vnni.h"

namespace sottovoce {
namespace {

// One block of 16 inputs into the accumulators of its fields.
template <int kRows>
SV_INLINE void AddBlock(const uint8_t* block, const int8_t* const x[kRows], int offset, __m512i acc[kRows][4]) {
  const __m512i packed = _mm512_loadu_si512(block);
#pragma GCC unroll 4
  for (int f = 0; f < 4; ++f) {
    const __m512i codes = _mm512_and_si512(packed, _mm512_set1_epi8(static_cast<char>(3u << (2 * f))));
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) acc[r][f] = DotBroadcast(acc[r][f], codes, x[r] + offset + 4 * f);
  }
}

// The weights are read once and straight through; from memory the hardware alone fetches that faster than with
// prefetches in software. kUnroll blocks have accumulators of their own where a row or two alone would wait for the
// latency of the dot products.
template <int kRows, int kUnroll>
__attribute__((noinline)) void Stream(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                      size_t y_stride) {
  const int blocks = (w.cols + 15) / 16;
  const uint8_t* block = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    __m512i acc[kUnroll][kRows][4];
    const int8_t* x[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      x[r] = a.data + r * a.stride;
#pragma GCC unroll 4
      for (int f = 0; f < 4; ++f) {
#pragma GCC unroll 2
        for (int u = 0; u < kUnroll; ++u) acc[u][r][f] = _mm512_setzero_si512();
      }
    }
    int left = blocks;
    for (; left >= kUnroll; left -= kUnroll) {
#pragma GCC unroll 2
      for (int u = 0; u < kUnroll; ++u) AddBlock<kRows>(block + 64 * u, x, 16 * u, acc[u]);
      block += 64 * kUnroll;
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) x[r] += 16 * kUnroll;
    }
    if (kUnroll == 2 && left > 0) {
      AddBlock<kRows>(block, x, 0, acc[0]);
      block += 64;
    }
    const PanelEpilogue epilogue(w.scale, bias, w.rows, output);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      __m512i sum = _mm512_set1_epi32(-a.sum[r]);
#pragma GCC unroll 4
      for (int f = 0; f < 4; ++f) {
        const __m512i field = kUnroll == 2 ? _mm512_add_epi32(acc[0][r][f], acc[kUnroll - 1][r][f]) : acc[0][r][f];
        sum = _mm512_add_epi32(sum, _mm512_srai_epi32(field, 2 * f));
      }
      epilogue.Store(sum, a.scale[r], y + r * y_stride + output);
    }
  }
}

// kSplit accumulators a row: fields f and f + kSplit share one.
template <int kSplit>
SV_INLINE void Unpack(__m512i packed, __m512i codes[4]) {
  const __m512i low = _mm512_set1_epi8(0x03);
  const __m512i second = _mm512_set1_epi8(0x0C);
  codes[0] = _mm512_and_si512(packed, low);
  if (kSplit == 2) {
    const __m512i high = _mm512_srli_epi16(packed, 4);
    codes[1] = _mm512_and_si512(packed, second);
    codes[2] = _mm512_and_si512(high, low);
    codes[3] = _mm512_and_si512(high, second);
  } else {
    codes[1] = _mm512_and_si512(_mm512_srli_epi16(packed, 2), low);
    codes[2] = _mm512_and_si512(_mm512_srli_epi16(packed, 4), low);
    codes[3] = _mm512_and_si512(_mm512_srli_epi16(packed, 6), low);
  }
}

constexpr int kMaxCols = 4096;  // 64 KiB of stack
// Ahead in the weight stream: many rows take long over a block, and the hardware stops fetching.
constexpr size_t kPrefetchBytes = 1024;

// (rows, cols) -> (blocks of 16 columns, kRows, 16), so that a tile reads its activations at constant offsets of one
// pointer: with an index register the front end would split every load from its dot product.
template <int kRows>
SV_INLINE void Interleave(const QuantizedRows& a, int8_t* out) {
  const int blocks = (a.cols + 15) / 16;
  for (int r = 0; r < kRows; ++r) {
    const int8_t* row = a.data + static_cast<size_t>(r) * a.stride;
    int8_t* to = out + 16 * r;
    for (int b = 0; b < blocks; ++b) {
      _mm_store_si128(reinterpret_cast<__m128i*>(to), _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + 16 * b)));
      to += 16 * kRows;
    }
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                    size_t y_stride) {
  constexpr int kSplit = kRows <= 12 ? 2 : 1;
  alignas(64) int8_t interleaved[kRows * kMaxCols];
  Interleave<kRows>(a, interleaved);
  const int blocks = (w.cols + 15) / 16;
  const uint8_t* panel = w.panels;
  for (int output = 0; output < w.rows; output += 16) {
    __m512i acc[kSplit][kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      acc[kSplit - 1][r] = _mm512_setzero_si512();
      acc[0][r] = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_set1_epi32(a.sum[r]));
    }
    const int8_t* x = interleaved;
    for (int b = 0; b < blocks; ++b) {
      _mm_prefetch(reinterpret_cast<const char*>(panel + kPrefetchBytes), _MM_HINT_T0);
      __m512i codes[4];
      Unpack<kSplit>(_mm512_loadu_si512(panel), codes);
#pragma GCC unroll 4
      for (int f = 0; f < 4; ++f) {
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          acc[f % kSplit][r] = DotBroadcast(acc[f % kSplit][r], codes[f], x + 16 * r + 4 * f);
        }
      }
      panel += 64;
      x += 16 * kRows;
    }
    const PanelEpilogue epilogue(w.scale, bias, w.rows, output);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      __m512i sum = acc[0][r];
      if (kSplit == 2) sum = _mm512_add_epi32(sum, _mm512_srai_epi32(acc[kSplit - 1][r], 2));
      epilogue.Store(sum, a.scale[r], y + r * y_stride + output);
    }
  }
}

}  // namespace

void gemm_qd8_q2_4x16__avx512vnni(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                  size_t y_stride) {
  WithRowCount<4>(a.rows, [&](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    Stream<kRows, kRows <= 2 ? 2 : 1>(a, w, bias, y, y_stride);
  });
}

void gemm_qd8_q2_16x16__avx512vnni(const QuantizedRows& a, const MatrixQ2& w, const float* bias, float* y,
                                   size_t y_stride) {
  WithRowCount<16>(a.rows, [&](auto rows) { Tile<decltype(rows)::value>(a, w, bias, y, y_stride); });
}

}  // namespace sottovoce
