#include "audio/wav.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "audio/samples.h"

namespace sottovoce {
namespace {

constexpr uint16_t kPcm = 1, kFloat = 3, kExtensible = 0xFFFE;
// sox leaves sizes a little under 2^31 when it cannot seek, ffmpeg 2^32 - 1.
constexpr uint32_t kUnknownSizeFrom = 0x7FFFF000;
constexpr int kMaxSampleRate = 1000000;
// The tail of the sub-format GUIDs of Microsoft's wave formats.
constexpr uint8_t kGuidTail[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};

struct Format {
  uint16_t code = 0;
  int channels = 0;
  int sample_rate = 0;
  int bits = 0;
  size_t frame_bytes() const { return static_cast<size_t>(channels) * static_cast<size_t>(bits) / 8; }
};

uint16_t U16(const uint8_t* p) {
  return static_cast<uint16_t>(p[0] | (p[1] << 8));
}
uint32_t U32(const uint8_t* p) {
  return U16(p) | (static_cast<uint32_t>(U16(p + 2)) << 16);
}

std::string Number(uint64_t value) {
  return std::to_string(value);
}

Result<Format> ParseFormat(const uint8_t* p, size_t size) {
  if (size < 16) return DataLoss("WAV fmt chunk: wanted at least 16 bytes, found " + Number(size));
  Format format;
  format.code = U16(p);
  format.channels = U16(p + 2);
  const uint32_t rate = U32(p + 4);
  const int block_align = U16(p + 12);
  format.bits = U16(p + 14);
  if (format.code == kExtensible) {
    if (size < 40) return DataLoss("WAV extensible fmt chunk: wanted at least 40 bytes, found " + Number(size));
    if (std::memcmp(p + 26, kGuidTail, sizeof(kGuidTail)) != 0)
      return Unsupported("WAV extensible: unknown sub-format");
    format.code = U16(p + 24);
  }
  const bool pcm =
      format.code == kPcm && (format.bits == 8 || format.bits == 16 || format.bits == 24 || format.bits == 32);
  const bool floating = format.code == kFloat && (format.bits == 32 || format.bits == 64);
  if (!pcm && !floating) {
    return Unsupported("WAV format: wanted PCM of 8, 16, 24, 32 bits or float of 32, 64 bits, found format code " +
                       Number(format.code) + " with " + Number(format.bits) + " bits");
  }
  if (format.channels < 1 || format.channels > 1024) {
    return DataLoss("WAV channels: wanted 1 to 1024, found " + Number(format.channels));
  }
  if (rate < 1 || rate > kMaxSampleRate)
    return DataLoss("WAV sample rate: wanted 1 to 1000000 Hz, found " + Number(rate));
  format.sample_rate = static_cast<int>(rate);
  if (static_cast<size_t>(block_align) != format.frame_bytes()) {
    return DataLoss("WAV block align: wanted " + Number(format.frame_bytes()) + " bytes for " +
                    Number(format.channels) + " channels of " + Number(format.bits) + " bits, found " +
                    Number(block_align));
  }
  return format;
}

float DecodeSample(const uint8_t* p, const Format& format) {
  if (format.code == kFloat) {
    if (format.bits == 32) {
      const uint32_t raw = U32(p);
      float value;
      std::memcpy(&value, &raw, sizeof(value));
      return value;
    }
    const uint64_t raw = U32(p) | (static_cast<uint64_t>(U32(p + 4)) << 32);
    double value;
    std::memcpy(&value, &raw, sizeof(value));
    return static_cast<float>(value);
  }
  switch (format.bits) {
    case 8: return (static_cast<float>(p[0]) - 128.0f) / 128.0f;
    case 16: return static_cast<float>(static_cast<int16_t>(U16(p))) / 32768.0f;
    case 24: {
      const uint32_t raw = (static_cast<uint32_t>(p[0]) << 8) | (static_cast<uint32_t>(U16(p + 1)) << 16);
      return static_cast<float>(static_cast<int32_t>(raw)) / 2147483648.0f;
    }
    default: return static_cast<float>(static_cast<int32_t>(U32(p))) / 2147483648.0f;
  }
}

Result<WavAudio> DecodeData(const uint8_t* p, size_t size, const Format& format) {
  const size_t frame_bytes = format.frame_bytes();
  const size_t sample_bytes = static_cast<size_t>(format.bits) / 8;
  const size_t frames = size / frame_bytes;
  const float share = 1.0f / static_cast<float>(format.channels);
  WavAudio audio;
  audio.sample_rate = format.sample_rate;
  audio.samples.resize(frames);
  for (size_t t = 0; t < frames; ++t) {
    const uint8_t* frame = p + t * frame_bytes;
    float sum = 0.0f;
    for (int c = 0; c < format.channels; ++c)
      sum += DecodeSample(frame + static_cast<size_t>(c) * sample_bytes, format);
    audio.samples[t] = format.channels == 1 ? sum : sum * share;
  }
  const Status finite = CheckFiniteSamples(audio.samples.data(), frames);
  if (!finite.ok()) return DataLoss("WAV data: " + finite.message());
  return audio;
}

}  // namespace

Result<WavAudio> ParseWav(const uint8_t* bytes, size_t size) {
  if (size < 12) return DataLoss("WAV header: wanted at least 12 bytes, found " + Number(size));
  const bool rf64 = std::memcmp(bytes, "RF64", 4) == 0;  // RIFF with 64-bit sizes, for files over 4 GiB
  if ((!rf64 && std::memcmp(bytes, "RIFF", 4) != 0) || std::memcmp(bytes + 8, "WAVE", 4) != 0) {
    return DataLoss("WAV header: wanted RIFF....WAVE, found other bytes: not a WAV file");
  }
  const uint32_t riff_size = U32(bytes + 4);
  Format format;
  size_t at = 12;
  while (size - at >= 8) {
    const uint8_t* chunk = bytes + at;
    const uint8_t* body = chunk + 8;
    const uint32_t declared = U32(chunk + 4);
    const size_t available = size - at - 8;
    if (std::memcmp(chunk, "data", 4) == 0) {
      if (format.bits == 0) return DataLoss("WAV: wanted a fmt chunk before the data chunk, found none");
      // An empty data chunk in a file whose RIFF size is right is really empty; otherwise nobody came back to fill it
      // in.
      const bool unknown =
          declared >= kUnknownSizeFrom || (declared == 0 && static_cast<uint64_t>(riff_size) + 8 != size);
      if (unknown && (declared == 0 || declared > available)) return DecodeData(body, available, format);
      if (declared > available) {
        return DataLoss("WAV data chunk: wanted " + Number(declared) + " bytes, found " + Number(available) +
                        ": the file is truncated");
      }
      if (declared % format.frame_bytes() != 0) {
        return DataLoss("WAV data chunk: wanted a multiple of " + Number(format.frame_bytes()) + " bytes, found " +
                        Number(declared));
      }
      return DecodeData(body, declared, format);
    }
    if (declared > available) {
      return DataLoss("WAV chunk at byte " + Number(at) + ": wanted " + Number(declared) + " bytes, found " +
                      Number(available) + ": the file is truncated");
    }
    if (std::memcmp(chunk, "fmt ", 4) == 0) {
      SV_ASSIGN_OR_RETURN(format, ParseFormat(body, declared));
    }
    // Chunks are padded to even sizes, though some writers forget it on the last one.
    at += 8 + std::min<size_t>(available, static_cast<size_t>(declared) + (declared & 1));
  }
  return DataLoss("WAV: wanted a data chunk, found the end of the file after " + Number(size) + " bytes");
}

Result<WavAudio> ReadWav(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    const std::string why = std::strerror(errno);
    return errno == ENOENT ? NotFound(path + ": " + why) : IoError(path + ": " + why);
  }
  std::vector<uint8_t> bytes;
  size_t got = 0;
  do {
    const size_t old = bytes.size();
    bytes.resize(old + (size_t{1} << 18));
    got = std::fread(bytes.data() + old, 1, bytes.size() - old, file);
    bytes.resize(old + got);
  } while (got > 0);
  const bool failed = std::ferror(file) != 0;
  const int error = errno;  // the read's: closing may change it
  std::fclose(file);
  if (failed && error == EISDIR) return InvalidArgument(path + ": wanted a WAV file, found a directory");
  if (failed) return IoError(path + ": cannot read: " + std::strerror(error));
  Result<WavAudio> audio = ParseWav(bytes.data(), bytes.size());
  if (!audio.ok()) return Status(audio.status().code(), path + ": " + audio.status().message());
  return audio;
}

}  // namespace sottovoce
