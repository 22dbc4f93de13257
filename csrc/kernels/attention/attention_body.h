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

// Weights (count, kLanes) of a block of queries, and what they weigh: (count, padded).
struct Weighted {
  const float* weights;
  const float* values;
  int count;
};

// y[i][d] = inverse[i] * sum_j weights[j * kLanes + i] values[j][d] over the `num_parts` parts, for kTileQueries
// queries of which `queries` are stored, and kVectors vectors of d of which `width` floats are stored.
template <int kVectors>
inline void WeighValues(const Weighted* parts, int num_parts, int first_query, int first_column, int padded,
                        const float* inverse, int queries, int width, float* y, size_t y_stride) {
  VecF acc[kTileQueries][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kTileQueries; ++i) {
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) acc[i][n] = Zero();
  }
  for (const Weighted* part = parts; part < parts + num_parts; ++part) {
    const float* weights = part->weights + first_query;
    const float* values = part->values + first_column;
    for (int j = part->count; j > 0; --j) {
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

inline int Clip(int distance, int most) {
  return distance < -most ? -most : distance > most ? most : distance;
}

// scores[j][i] = scale * (key j . query i) for `count` keys of a block of queries; returns the elementwise maximum.
inline VecF BlockScores(const float* k, size_t stride, int count, const float* queries, int head_size, VecF scale,
                        float* scores) {
  VecF largest = Set(-INFINITY);
  int j = 0;
  for (; j + 8 <= count; j += 8) {
    largest =
        Scores<8>(k + static_cast<size_t>(j) * stride, stride, queries, head_size, scale, largest, scores + j * kLanes);
  }
  if (j + 4 <= count) {
    largest =
        Scores<4>(k + static_cast<size_t>(j) * stride, stride, queries, head_size, scale, largest, scores + j * kLanes);
    j += 4;
  }
  for (; j < count; ++j) {
    largest =
        Scores<1>(k + static_cast<size_t>(j) * stride, stride, queries, head_size, scale, largest, scores + j * kLanes);
  }
  return largest;
}

// scores[j][i] += by_distance[clip(j - first - i) - nearest][i]; returns the elementwise maximum.
inline VecF AddByDistance(const float* by_distance, int nearest, int most, int first, int tokens, float* scores) {
  VecF largest = Set(-INFINITY);
  for (int j = 0; j < tokens; ++j) {
    float* row = scores + j * kLanes;
    for (int i = 0; i < kLanes; ++i) row[i] += by_distance[(Clip(j - first - i, most) - nearest) * kLanes + i];
    largest = Max(largest, Load(row));
  }
  return largest;
}

// by_distance[clip(j - first - i) - nearest][i] = the sum of weights[j][i] at that distance; `count` distances.
inline void SumByDistance(const float* weights, int nearest, int most, int first, int tokens, int count,
                          float* by_distance) {
  for (int d = 0; d < count; ++d) Store(by_distance + d * kLanes, Zero());
  for (int j = 0; j < tokens; ++j) {
    for (int i = 0; i < kLanes; ++i) {
      by_distance[(Clip(j - first - i, most) - nearest) * kLanes + i] += weights[j * kLanes + i];
    }
  }
}

void MultiHead(const float* q, const float* k, const float* v, size_t stride, int tokens, int heads, int head_size,
               float scale, RelativePositions relative, float* y, size_t y_stride, float* scratch) {
  const int padded = (head_size + kLanes - 1) / kLanes * kLanes;
  const int most = relative.most, num_parts = relative.table != nullptr ? 2 : 1;
  // Distances from the farthest key behind a query (lanes past the last query included) to the farthest ahead.
  const int nearest = relative.table != nullptr ? Clip(2 - kLanes - tokens, most) : 0;
  const int distances = relative.table != nullptr ? Clip(tokens - 1, most) - nearest + 1 : 0;
  const size_t token_count = static_cast<size_t>(tokens), width = static_cast<size_t>(padded);
  float* scores = scratch;                                                                  // (tokens, kLanes)
  float* values = scores + token_count * kAttentionMaxLanes;                                // (tokens, padded)
  float* queries = values + token_count * width;                                            // (padded, kLanes)
  float* by_distance = queries + width * kAttentionMaxLanes;                                // (distances, kLanes)
  float* table = by_distance + static_cast<size_t>(distances) * kAttentionMaxLanes;         // (distances, padded)
  const float* rows = relative.table + static_cast<ptrdiff_t>(nearest + most) * head_size;  // of the distances in use
  if (distances > 0) PackValues(rows, static_cast<size_t>(head_size), distances, head_size, padded, table);
  const VecF scale_vec = Set(scale * 1.44269504f);  // exp(s) = 2^(s log2 e)
  for (int h = 0; h < heads; ++h, q += head_size, k += head_size, v += head_size, y += head_size) {
    PackValues(v, stride, tokens, head_size, padded, values);
    for (int first = 0; first < tokens; first += kLanes) {
      const int block = tokens - first < kLanes ? tokens - first : kLanes;
      for (int d = 0; d < head_size; d += kLanes) {
        const int cols = head_size - d < kLanes ? head_size - d : kLanes;
        TransposeBlock(q + static_cast<size_t>(first) * stride + d, stride, block, cols, queries + d * kLanes);
      }
      VecF largest = BlockScores(k, stride, tokens, queries, head_size, scale_vec, scores);
      // This block's share of the distances: farther ones would only weigh zeros.
      const int behind = Clip(1 - kLanes - first, most), ahead = Clip(tokens - 1 - first, most);
      const int skipped = behind - nearest;
      if (distances > 0) {
        BlockScores(rows + static_cast<ptrdiff_t>(skipped) * head_size, static_cast<size_t>(head_size),
                    ahead - behind + 1, queries, head_size, scale_vec, by_distance);
        largest = AddByDistance(by_distance, behind, most, first, tokens, scores);
      }
      VecF sum = Zero();
      for (int j = 0; j < tokens; ++j) {
        const VecF e = Exp2(Sub(Load(scores + j * kLanes), largest));
        Store(scores + j * kLanes, e);
        sum = Add(sum, e);
      }
      float inverse[kLanes];
      Store(inverse, Div(Set(1.0f), sum));
      if (distances > 0) SumByDistance(scores, behind, most, first, tokens, ahead - behind + 1, by_distance);
      const Weighted parts[2] = {{scores, values, tokens},
                                 {by_distance, table + static_cast<ptrdiff_t>(skipped) * padded, ahead - behind + 1}};

      for (int i = 0; i < block; i += kTileQueries) {
        float* out = y + static_cast<size_t>(first + i) * y_stride;
        int d = 0;
        for (; d + (kTileVectors - 1) * kLanes < head_size; d += kTileVectors * kLanes) {
          WeighValues<kTileVectors>(parts, num_parts, i, d, padded, inverse + i, block - i, head_size - d, out + d,
                                    y_stride);
        }
        for (; d < head_size; d += kLanes) {
          WeighValues<1>(parts, num_parts, i, d, padded, inverse + i, block - i, head_size - d, out + d, y_stride);
        }
      }
    }
  }
}

}  // namespace

const AttentionKernels SV_ATTENTION_TABLE = {MultiHead};

}  // namespace sottovoce
