#include "audio/samples.h"

#include <cmath>
#include <string>

namespace sottovoce {

Status CheckFiniteSamples(const float* samples, size_t count, size_t offset) {
  // x * 0 is 0 for every finite x and NaN otherwise, so one sum tells without a branch a sample.
  float sum = 0.0f;
  for (size_t i = 0; i < count; ++i) sum += samples[i] * 0.0f;
  if (sum == 0.0f) return Status();
  for (size_t i = 0; i < count; ++i) {
    if (std::isfinite(samples[i])) continue;
    return InvalidArgument("audio sample " + std::to_string(offset + i) + ": wanted a finite number, found " +
                           (std::isnan(samples[i]) ? "NaN" : "infinity"));
  }
  return Status();
}

}  // namespace sottovoce
