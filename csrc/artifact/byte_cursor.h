// Reads little-endian fields from a range of bytes and never past its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace sottovoce {

// Strict UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
bool IsUtf8(std::string_view text);

// Little-endian value of `bytes` bytes (at most 8).
uint64_t LoadLittleEndian(const uint8_t* data, size_t bytes);

class ByteCursor {
 public:
  ByteCursor(const std::string& file, const uint8_t* data, size_t bytes) : file_(file), data_(data), bytes_(bytes) {}

  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_ - offset_; }
  const uint8_t* here() const { return data_ + offset_; }

  // Every reader names `what` in its error: "<file>: truncated: ... at byte ... of ...".
  Status Skip(uint64_t bytes, std::string_view what);
  Result<uint32_t> ReadU32(std::string_view what);
  Result<uint64_t> ReadU64(std::string_view what);
  // A 64-bit length and that many bytes of UTF-8; the view points into the range.
  Result<std::string_view> ReadString(uint64_t max_bytes, std::string_view what);
  // The same for a key or a tensor name: not empty, no control characters.
  Result<std::string_view> ReadName(std::string_view what);

 private:
  const std::string& file_;
  const uint8_t* data_;
  size_t bytes_;
  size_t offset_ = 0;
};

}  // namespace sottovoce
