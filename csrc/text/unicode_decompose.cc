#include <algorithm>

#include "text/unicode_tables.h"

namespace sottovoce::unicode {

int Decompose(uint32_t point, uint32_t out[kMaxDecomposition]) {
  if (IsHangulSyllable(
          point)) {  // The Unicode Standard, section 3.12: 19 leads x 21 vowels x 28 trails (the first none)
    const uint32_t index = point - 0xAC00;
    out[0] = 0x1100 + index / (21 * 28);
    out[1] = 0x1161 + index % (21 * 28) / 28;
    out[2] = 0x11A7 + index % 28;
    return index % 28 == 0 ? 2 : 3;
  }
  const uint32_t* end = kDecompositionKeys + kNumDecompositions;
  const uint32_t* key = std::lower_bound(kDecompositionKeys, end, point << 13);
  if (key == end || *key >> 13 != point) {
    out[0] = point;
    return 1;
  }
  const uint32_t last = key[1] & 0x1FFF;
  int count = 0;
  for (uint32_t i = *key & 0x1FFF; i < last; ++i) {
    uint32_t unit = kDecompositionUnits[i];
    if (unit >= 0xD800 && unit < 0xDC00) unit = 0x10000 + ((unit - 0xD800) << 10) + (kDecompositionUnits[++i] - 0xDC00);
    out[count++] = unit;
  }
  return count;
}

}  // namespace sottovoce::unicode
