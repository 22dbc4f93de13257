// The bytes of a GGUF v3 file to metadata and tensor views. Every count, length and range is checked before it is used.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "artifact/artifact.h"

namespace sottovoce {

struct GgufContents {
  std::map<std::string, MetadataValue> metadata;
  std::vector<TensorView> tensors;  // in file order, contiguous but for alignment, and reaching the end of the file
};

// name: what messages begin with.
Result<GgufContents> ParseGguf(const std::string& name, const void* data, size_t bytes);

}  // namespace sottovoce
