#include "artifact/gguf_tensors.h"

#include <algorithm>
#include <set>
#include <utility>

#include "artifact/format.h"

namespace sottovoce {
namespace {

struct Description {
  TensorView view;
  uint64_t offset = 0;  // bytes from the start of the data section
};

size_t ElementBytes(uint32_t type) {
  switch (static_cast<TensorType>(type)) {
    case TensorType::kF32: return 4;
    case TensorType::kF16: return 2;
    case TensorType::kI8: return 1;
  }
  return 0;
}

// No tensor is larger than the file, so `file_bytes` caps every product of sizes.
Result<Description> ReadDescription(const std::string& file, uint64_t index, uint64_t file_bytes, ByteCursor& cursor) {
  Description tensor;
  SV_ASSIGN_OR_RETURN(const std::string_view name, cursor.ReadName("the name of tensor " + std::to_string(index)));
  tensor.view.name = std::string(name);
  const std::string what = "tensor " + tensor.view.name;
  const std::string place = file + ": " + what;
  SV_ASSIGN_OR_RETURN(const uint32_t rank, cursor.ReadU32(what));
  if (rank < 1 || rank > format::kMaxRank) {
    return DataLoss(place + ": wanted 1 to 4 dimensions, found " + std::to_string(rank));
  }
  uint64_t elements = 1;
  for (uint32_t d = 0; d < rank; ++d) {
    SV_ASSIGN_OR_RETURN(const uint64_t size, cursor.ReadU64(what));
    if (size == 0 || size > file_bytes / elements) {
      return DataLoss(place + ": dimension " + std::to_string(d) + " is " + std::to_string(size) +
                      ", wanted at least 1 and no more elements than the file has bytes");
    }
    elements *= size;
    tensor.view.shape.push_back(size);
  }
  SV_ASSIGN_OR_RETURN(const uint32_t type, cursor.ReadU32(what));
  const uint64_t width = ElementBytes(type);
  if (width == 0) {
    return Unsupported(place + ": wanted GGUF type F32 (0), F16 (1) or I8 (24), found " + std::to_string(type));
  }
  if (elements > file_bytes / width) {
    return DataLoss(place + ": truncated: " + std::to_string(elements) + " elements of " + std::to_string(width) +
                    " bytes, the file has " + std::to_string(file_bytes) + " bytes");
  }
  tensor.view.type = static_cast<TensorType>(type);
  tensor.view.bytes = static_cast<size_t>(elements * width);
  SV_ASSIGN_OR_RETURN(tensor.offset, cursor.ReadU64(what));
  return tensor;
}

Status CheckOffset(const std::string& place, uint64_t found, uint64_t wanted) {
  if (found == wanted) return Status();
  const std::string problem = found % format::kAlignment != 0 ? "is not a multiple of 64"
                              : found < wanted                ? "overlaps the tensor before it"
                                                              : "leaves a gap before it";
  return DataLoss(place + ": offset " + std::to_string(found) + " " + problem + ", wanted " + std::to_string(wanted));
}

Status CheckPadding(const std::string& place, const uint8_t* begin, const uint8_t* end) {
  if (std::all_of(begin, end, [](uint8_t byte) { return byte == 0; })) return Status();
  return DataLoss(place + ": the padding behind it must be zero");
}

}  // namespace

Result<std::vector<TensorView>> ReadGgufTensors(const std::string& file, uint64_t count, const uint8_t* data,
                                                size_t bytes, ByteCursor& cursor) {
  std::vector<TensorView> tensors;
  std::vector<uint64_t> offsets;
  std::set<std::string_view> names;
  tensors.reserve(static_cast<size_t>(count));  // so that `names` stays valid
  for (uint64_t i = 0; i < count; ++i) {
    SV_ASSIGN_OR_RETURN(Description tensor, ReadDescription(file, i, bytes, cursor));
    tensors.push_back(std::move(tensor.view));
    offsets.push_back(tensor.offset);
    if (!names.insert(tensors.back().name).second) {
      return DataLoss(file + ": tensor " + tensors.back().name + " appears twice");
    }
  }
  const uint64_t start = format::AlignUp(cursor.offset());
  if (start > bytes) {
    return DataLoss(file + ": truncated: the tensor data should begin at byte " + std::to_string(start) +
                    ", the file has " + std::to_string(bytes));
  }
  SV_RETURN_IF_ERROR(CheckPadding(file + ": the list of tensors", cursor.here(), data + start));
  uint64_t position = start;  // never above `bytes`
  for (size_t i = 0; i < tensors.size(); ++i) {
    TensorView& view = tensors[i];
    const std::string place = file + ": tensor " + view.name;
    SV_RETURN_IF_ERROR(CheckOffset(place, offsets[i], position - start));
    const uint64_t padded = format::AlignUp(view.bytes);
    if (padded > bytes - position) {
      return DataLoss(place + ": truncated: wanted " + std::to_string(padded) + " bytes (padded to 64) at byte " +
                      std::to_string(position) + ", found " + std::to_string(bytes - position));
    }
    view.data = data + position;
    SV_RETURN_IF_ERROR(CheckPadding(place, data + position + view.bytes, data + position + padded));
    position += padded;
  }
  if (position == bytes) return tensors;
  return DataLoss(file + ": " + std::to_string(bytes - position) + " bytes follow the last tensor, wanted none");
}

}  // namespace sottovoce
