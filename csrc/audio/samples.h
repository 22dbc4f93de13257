// Checks on raw audio samples.
#pragma once

#include <cstddef>

#include "base/status.h"

namespace sottovoce {

// InvalidArgument naming the first NaN or infinity of `samples` (count); `offset` is added to the index it reports.
Status CheckFiniteSamples(const float* samples, size_t count, size_t offset = 0);

}  // namespace sottovoce
