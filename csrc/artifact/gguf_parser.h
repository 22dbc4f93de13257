// The bytes of a GGUF v3 file to metadata and tensor views. Every count, length and range is checked before it is used.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "artifact/artifact.h"

namespace sottovoce {

struct GgufContents {
  std::map<std::string, MetadataValue> metadata;
  std::vector<TensorView> tensors;  // in file order
  size_t data_at = 0;               // where the tensor data begin, bytes from the start of the file
  size_t header_checksum_at = 0;    // where the value of format::kHeaderChecksum lies; 0 when there is none
};

// name: what messages begin with.
Result<GgufContents> ParseGguf(const std::string& name, const void* data, size_t bytes);

}  // namespace sottovoce
