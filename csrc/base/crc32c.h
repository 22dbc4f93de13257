// CRC32C (Castagnoli, reflected polynomial 0x82F63B78): the checksum of tensors and of the header of an artifact.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sottovoce {

// The checksum of A followed by B is Crc32c(B, b_bytes, Crc32c(A, a_bytes)). Uses the CPU's CRC instructions when
// ActiveIsa() is not scalar.
uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc = 0);

// Tables only; the reference.
uint32_t Crc32cScalar(const void* data, size_t bytes, uint32_t crc = 0);

}  // namespace sottovoce
