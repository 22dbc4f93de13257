#include "artifact/byte_cursor.h"

#include <cstring>

#include "artifact/format.h"

namespace sottovoce {

bool IsUtf8(std::string_view text) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = p + text.size();
  while (p < end) {
    if (end - p >= 8) {  // eight ASCII bytes at once
      uint64_t word;
      std::memcpy(&word, p, 8);
      if ((word & 0x8080808080808080u) == 0) {
        p += 8;
        continue;
      }
    }
    const uint8_t lead = *p++;
    if (lead < 0x80) continue;
    int extra = 0;
    uint32_t code = 0, least = 0;
    if ((lead & 0xE0) == 0xC0) {
      extra = 1, code = lead & 0x1Fu, least = 0x80;
    } else if ((lead & 0xF0) == 0xE0) {
      extra = 2, code = lead & 0x0Fu, least = 0x800;
    } else if ((lead & 0xF8) == 0xF0) {
      extra = 3, code = lead & 0x07u, least = 0x10000;
    } else {
      return false;
    }
    if (end - p < extra) return false;
    for (; extra > 0; --extra, ++p) {
      if ((*p & 0xC0) != 0x80) return false;
      code = code << 6 | (*p & 0x3Fu);
    }
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
  }
  return true;
}

uint64_t LoadLittleEndian(const uint8_t* data, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(data[i]) << (8 * i);
  return value;
}

Status ByteCursor::Skip(uint64_t bytes, std::string_view what) {
  if (bytes > remaining()) {
    return DataLoss(file_ + ": truncated: " + std::string(what) + " wants " + std::to_string(bytes) +
                    " bytes at offset " + std::to_string(offset_) + ", found " + std::to_string(remaining()));
  }
  offset_ += static_cast<size_t>(bytes);
  return Status();
}

Result<uint32_t> ByteCursor::ReadU32(std::string_view what) {
  const uint8_t* field = here();
  SV_RETURN_IF_ERROR(Skip(4, what));
  return static_cast<uint32_t>(LoadLittleEndian(field, 4));
}

Result<uint64_t> ByteCursor::ReadU64(std::string_view what) {
  const uint8_t* field = here();
  SV_RETURN_IF_ERROR(Skip(8, what));
  return LoadLittleEndian(field, 8);
}

Result<std::string_view> ByteCursor::ReadString(uint64_t max_bytes, std::string_view what) {
  SV_ASSIGN_OR_RETURN(const uint64_t bytes, ReadU64(what));
  if (bytes > max_bytes) {
    return DataLoss(file_ + ": " + std::string(what) + ": wanted a length of at most " + std::to_string(max_bytes) +
                    " bytes, found " + std::to_string(bytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(here()),
                              static_cast<size_t>(bytes <= remaining() ? bytes : 0));
  SV_RETURN_IF_ERROR(Skip(bytes, what));
  if (!IsUtf8(text)) return DataLoss(file_ + ": " + std::string(what) + ": wanted UTF-8, found other bytes");
  return text;
}

Result<std::string_view> ByteCursor::ReadName(std::string_view what) {
  SV_ASSIGN_OR_RETURN(const std::string_view name, ReadString(format::kMaxNameBytes, what));
  if (name.empty()) return DataLoss(file_ + ": " + std::string(what) + ": wanted a name, found an empty string");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return DataLoss(file_ + ": " + std::string(what) + ": wanted printable text, found a control character");
    }
  }
  return name;
}

}  // namespace sottovoce
