// Binary weights as indices: four bits of an output select one of the sixteen sums that four activations can give.
//
// A half of a block's byte (o, j) holds the bits of inputs j, 4 + j, 8 + j and 12 + j, so one look-up of 64 bytes takes
// 16 outputs x 4 tables: 256 products. Tables hold bytes, hence 4-bit activations. Both halves of split weights read
// the same tables. Include in an ISA file that defines Indices, LookUp, Accumulator, Add and Total before.
#pragma once

namespace sottovoce {
namespace {

constexpr int kMaxCols = 2048;  // 64 KiB of tables on the stack
constexpr int kMaxRows = 8;
// Four signed values add up to at least -32; with this much more an entry is within [0, 60], and four of them in a
// byte.
constexpr int kBias = 32;
constexpr size_t kPrefetchBytes = 1024;

// 16 values as 4 tables of 16 sums: table j of values j, 4 + j, 8 + j, 12 + j.
SV_INLINE __m512i Table(__m128i values) {
  constexpr int64_t kLanes = 0x0101010101010101;
  const __m512i x = _mm512_broadcast_i32x4(values);
  const __m512i group = _mm512_setr_epi64(0, 0, kLanes, kLanes, 2 * kLanes, 2 * kLanes, 3 * kLanes, 3 * kLanes);
  constexpr __mmask64 kEntriesWithBit[] = {0xAAAAAAAAAAAAAAAA, 0xCCCCCCCCCCCCCCCC, 0xF0F0F0F0F0F0F0F0,
                                           0xFF00FF00FF00FF00};
  __m512i sum = _mm512_set1_epi8(kBias);
#pragma GCC unroll 4
  for (int f = 0; f < 4; ++f) {
    const __m512i index = _mm512_add_epi8(group, _mm512_set1_epi8(static_cast<char>(4 * f)));
    sum = _mm512_add_epi8(sum, _mm512_maskz_shuffle_epi8(kEntriesWithBit[f], x, index));
  }
  return sum;
}

// Where table t (of 16 inputs) of a row lies: the tables of two blocks, four of them, side by side, row after row.
SV_INLINE int8_t* TableAt(int8_t* tables, int num_rows, int row, int t) {
  return tables + (static_cast<size_t>(t / 4 * num_rows + row) * 4 + static_cast<size_t>(t % 4)) * 64;
}

template <int kRows>
SV_INLINE void Half(const QuantizedRows& a, const int8_t* tables, const MatrixQ1& w, int half, Addend addend, float* y,
                    size_t y_stride) {
  const int blocks = (w.cols + 31) / 32;
  const uint8_t* panel = w.panels[half];
  const __m512i bias = _mm512_set1_epi32(blocks * 8 * kBias);
  for (int output = 0; output < w.rows; output += 16) {
    Accumulator acc[kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r] = Accumulator();
    const int8_t* table = tables;
    int b = 0;
    for (; b + 2 <= blocks; b += 2, panel += 128, table += kRows * 256) {
      _mm_prefetch(reinterpret_cast<const char*>(panel) + kPrefetchBytes, _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(panel) + kPrefetchBytes + 64, _MM_HINT_T0);
      __m512i indices[4];
      Indices(panel, indices);
      Indices(panel + 64, indices + 2);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const int8_t* of_row = table + 256 * r;
        const __m512i first = _mm512_add_epi8(LookUp(of_row, indices[0]), LookUp(of_row + 64, indices[1]));
        const __m512i second = _mm512_add_epi8(LookUp(of_row + 128, indices[2]), LookUp(of_row + 192, indices[3]));
        Add(_mm512_add_epi8(first, second), acc[r]);
      }
    }
    if (b < blocks) {
      __m512i indices[2];
      Indices(panel, indices);
      panel += 64;
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const int8_t* of_row = table + 256 * r;
        Add(_mm512_add_epi8(LookUp(of_row, indices[0]), LookUp(of_row + 64, indices[1])), acc[r]);
      }
    }
    const __mmask16 mask = OutputMask(w.rows, output);
    const __m512 scale = _mm512_maskz_loadu_ps(mask, w.scale[half] + output);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      __m512i sum = _mm512_sub_epi32(Total(acc[r]), bias);
      sum = _mm512_sub_epi32(_mm512_slli_epi32(sum, 1),
                             _mm512_set1_epi32(a.sum[r]));  // a weight is twice its bit minus 1
      __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(_mm512_set1_ps(a.scale[r]), scale));
      if (addend.data != nullptr) product = _mm512_add_ps(product, _mm512_maskz_loadu_ps(mask, addend.at(r, output)));
      _mm512_mask_storeu_ps(y + static_cast<size_t>(r) * y_stride + output, mask, product);
    }
  }
}

template <int kRows>
__attribute__((noinline)) void Tile(const QuantizedRows& a, const MatrixQ1& w, const float* bias, float* y,
                                    size_t y_stride) {
  alignas(64) int8_t tables[kRows * kMaxCols * 4];
  const int groups = (a.cols + 31) / 32 * 2;
  for (int r = 0; r < kRows; ++r) {
    const int8_t* x = a.data + static_cast<size_t>(r) * a.stride;
    for (int t = 0; t < groups; ++t, x += 16) {
      const __m512i table = Table(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
      _mm512_store_si512(TableAt(tables, kRows, r, t), table);
    }
  }
  Half<kRows>(a, tables, w, 0, {bias, 0}, y, y_stride);
  if (w.halves == 2) Half<kRows>(a, tables, w, 1, {y, y_stride}, y, y_stride);
}

}  // namespace
}  // namespace sottovoce
