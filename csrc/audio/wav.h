// RIFF/WAVE reading: PCM 8, 16, 24, 32 bits and float 32, 64 bits, plain or WAVE_FORMAT_EXTENSIBLE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace sottovoce {

struct WavAudio {
  std::vector<float> samples;  // mono (the mean of the channels), +-1 is full scale
  int sample_rate = 0;         // Hz
};

// A data chunk of size 0 or 0xFFFFFFFF, as programs that write to a pipe leave it, reaches to the end of the file.
// Errors: DataLoss (truncated, corrupt, NaN), Unsupported (compressed formats).
Result<WavAudio> ParseWav(const uint8_t* bytes, size_t size);

// The same from a file; NotFound and IoError besides.
Result<WavAudio> ReadWav(const std::string& path);

}  // namespace sottovoce
