// The typed key-value pairs at the head of a GGUF file.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "artifact/artifact.h"
#include "artifact/byte_cursor.h"

namespace sottovoce {

struct GgufMetadata {
  std::map<std::string, MetadataValue> values;
  size_t header_checksum_at = 0;  // byte offset of the value of format::kHeaderChecksum; 0 when there is none
};

// Reads `count` entries (capped by the caller). Refuses duplicate keys, unknown types, and arrays of arrays or bools.
Result<GgufMetadata> ReadGgufMetadata(const std::string& file, uint64_t count, ByteCursor& cursor);

}  // namespace sottovoce
