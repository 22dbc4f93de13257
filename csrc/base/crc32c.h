// CRC-32C (Castagnoli), as in RFC 3720.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sottovoce {

uint32_t Crc32c(const void* data, size_t bytes);

}  // namespace sottovoce
