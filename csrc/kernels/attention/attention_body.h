// The body of this family over VecF. Include after one of the simd/f32_<isa>.h headers, in a file that exports
// SV_ATTENTION_TABLE.
//
// A block of kLanes queries is transposed, so that a lane is a query: scores, maximum, exponentials and their sum are
// then plain vertical operations, in the order of the keys, and no result depends on which queries share the block.
#pragma once

#include <math.h>

#include "kernels/attention/attention.h"
#include "kernels/simd/exp_body.h"

namespace sottovoce {
namespace {

constexpr int kTileQueries = kLanes >= 8 && kRegisters >= 32 ? 8 : kLanes >= 4 ? 4 : 1;
constexpr int kTileVectors = kLanes == 1 ? 8 : 2;

// scores[j * kLanes + i] = scale * (key j . query i) for kKeys keys; returns the elementwise maximum with `largest`.
template <int kKeys>
inline VecF Scores(const float* k, size_t stride, const float* queries, int head_size, VecF scale, VecF largest,
                   float* scores) {
  VecF acc[kKeys];
#pragma GCC unroll 8
  for (int j = 0; j < kKeys; ++j) acc[j] = Zero();
  for (int d = 0; d < head_size; ++d) {
    const VecF query = Load(queries + d * kLanes);
#pragma GCC unroll 8
    for (int j = 0; j < kKeys; ++j) acc[j] = MulAdd(Set(k[j * stride + d]), query, acc[j]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < kKeys; ++j) {
    const VecF score = Mul(acc[j], scale);
    Store(scores + j * kLanes, score);
    largest = Max(largest, score);
  }
  return largest;
}

// y[i][d] = inverse[i] * sum_j weights[j * kLanes + i] values[j][d], for kTileQueries queries of which `queries` are
// stored, and kVectors vectors of d of which `width` floats are stored.
template <int kVectors>
inline void WeighValues(const float* weights, const float* values, int padded, int tokens, const float* inverse,
                        int queries, int width, float* y, size_t y_stride) {
  VecF acc[kTileQueries][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kTileQueries; ++i) {
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) acc[i][n] = Zero();
  }
  for (int j = 0; j < tokens; ++j) {
    VecF value[kVectors];
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) value[n] = Load(values + n * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kTileQueries; ++i) {
      const VecF weight = Set(weights[i]);
#pragma GCC unroll 8
      for (int n = 0; n < kVectors; ++n) acc[i][n] = MulAdd(weight, value[n], acc[i][n]);
    }
    weights += kLanes;
    values += padded;
  }
#pragma GCC unroll 8
  for (int i = 0; i < kTileQueries; ++i) {
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) acc[i][n] = Mul(acc[i][n], Set(inverse[i]));
  }
  const int last = (kVectors - 1) * kLanes, last_width = width - last < kLanes ? width - last : kLanes;
  if (queries >= kTileQueries) {
#pragma GCC unroll 8
    for (int i = 0; i < kTileQueries; ++i, y += y_stride) {
#pragma GCC unroll 8
      for (int n = 0; n + 1 < kVectors; ++n) Store(y + n * kLanes, acc[i][n]);
      StorePartial(y + last, acc[i][kVectors - 1], last_width);
    }
    return;
  }
#pragma GCC unroll 8
  for (int i = 0; i < kTileQueries; ++i, y += y_stride) {
    if (i >= queries) continue;
#pragma GCC unroll 8
    for (int n = 0; n + 1 < kVectors; ++n) Store(y + n * kLanes, acc[i][n]);
    StorePartial(y + last, acc[i][kVectors - 1], last_width);
  }
}

// values: (tokens, padded), the head's columns of v with zeros behind them.
inline void PackValues(const float* v, size_t stride, int tokens, int head_size, int padded, float* values) {
  for (int j = 0; j < tokens; ++j, v += stride, values += padded) {
    int d = 0;
    for (; d + kLanes <= head_size; d += kLanes) Store(values + d, Load(v + d));
    if (d < head_size) Store(values + d, LoadPartial(v + d, head_size - d));
  }
}

void MultiHead(const float* q, const float* k, const float* v, size_t stride, int tokens, int heads, int head_size,
               float scale, float* y, size_t y_stride, float* scratch) {
  const int padded = (head_size + kLanes - 1) / kLanes * kLanes;
  const size_t token_count = static_cast<size_t>(tokens);
  float* scores = scratch;                                              // (tokens, kLanes)
  float* values = scores + token_count * kAttentionMaxLanes;            // (tokens, padded)
  float* queries = values + token_count * static_cast<size_t>(padded);  // (head_size, kLanes)
  const VecF scale_vec = Set(scale * 1.44269504f);                      // exp(s) = 2^(s log2 e)
  for (int h = 0; h < heads; ++h, q += head_size, k += head_size, v += head_size, y += head_size) {
    PackValues(v, stride, tokens, head_size, padded, values);
    for (int first = 0; first < tokens; first += kLanes) {
      const int block = tokens - first < kLanes ? tokens - first : kLanes;
      for (int d = 0; d < head_size; d += kLanes) {
        const int cols = head_size - d < kLanes ? head_size - d : kLanes;
        TransposeBlock(q + static_cast<size_t>(first) * stride + d, stride, block, cols, queries + d * kLanes);
      }

      VecF largest = Set(-INFINITY);
      int j = 0;
      for (; j + 8 <= tokens; j += 8) {
        largest = Scores<8>(k + j * stride, stride, queries, head_size, scale_vec, largest, scores + j * kLanes);
      }
      if (j + 4 <= tokens) {
        largest = Scores<4>(k + j * stride, stride, queries, head_size, scale_vec, largest, scores + j * kLanes);
        j += 4;
      }
      for (; j < tokens; ++j) {
        largest = Scores<1>(k + j * stride, stride, queries, head_size, scale_vec, largest, scores + j * kLanes);
      }
      VecF sum = Zero();
      for (j = 0; j < tokens; ++j) {
        const VecF e = Exp2(Sub(Load(scores + j * kLanes), largest));
        Store(scores + j * kLanes, e);
        sum = Add(sum, e);
      }
      float inverse[kLanes];
      Store(inverse, Div(Set(1.0f), sum));

      for (int i = 0; i < block; i += kTileQueries) {
        float* out = y + static_cast<size_t>(first + i) * y_stride;
        int d = 0;
        for (; d + (kTileVectors - 1) * kLanes < head_size; d += kTileVectors * kLanes) {
          WeighValues<kTileVectors>(scores + i, values + d, padded, tokens, inverse + i, block - i, head_size - d,
                                    out + d, y_stride);
        }
        for (; d < head_size; d += kLanes) {
          WeighValues<1>(scores + i, values + d, padded, tokens, inverse + i, block - i, head_size - d, out + d,
                         y_stride);
        }
      }
    }
  }
}

}  // namespace

const AttentionKernels SV_ATTENTION_TABLE = {MultiHead};

}  // namespace sottovoce
