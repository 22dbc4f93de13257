// The list of tensors in a GGUF file, and the rules of their places.
#pragma once

#include <string>
#include <vector>

#include "artifact/artifact.h"
#include "artifact/byte_cursor.h"

namespace sottovoce {

// Reads `count` descriptions (capped by the caller) at the cursor and places them in the file of `bytes` bytes at
// `data`. Types, ranks and sizes are known and in range; names unique; each tensor starts right behind the one before,
// aligned to 64 bytes, so none overlap; padding is zero; the last one, padded, ends the file. Views come back in file
// order.
Result<std::vector<TensorView>> ReadGgufTensors(const std::string& file, uint64_t count, const uint8_t* data,
                                                size_t bytes, ByteCursor& cursor);

}  // namespace sottovoce
