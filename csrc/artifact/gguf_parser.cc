#include "artifact/gguf_parser.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "artifact/byte_cursor.h"
#include "artifact/format.h"
#include "artifact/gguf_metadata.h"
#include "artifact/gguf_tensors.h"

namespace sottovoce {
namespace {

Status CheckMagic(const std::string& name, const uint8_t* data, size_t bytes) {
  if (bytes == 0) return DataLoss(name + ": is empty, wanted a GGUF file");
  if (std::memcmp(data, "GGUF", std::min<size_t>(bytes, 4)) != 0) {
    return DataLoss(name + ": is not a GGUF file: it does not begin with 'GGUF'");
  }
  if (bytes < format::kHeaderBytes) {
    return DataLoss(name + ": truncated: wanted a header of 24 bytes, found " + std::to_string(bytes));
  }
  const uint64_t version = LoadLittleEndian(data + 4, 4);
  if (version == format::kGgufVersion) return Status();
  const bool big_endian = version != 0 && (version & 0xFFFFFF) == 0;
  const std::string found = big_endian ? std::to_string(version >> 24) + ", big-endian" : std::to_string(version);
  return Unsupported(name + ": is GGUF version " + found + ", wanted 3, little-endian");
}

Status CheckCount(const std::string& name, const char* what, uint64_t count, uint64_t most, uint64_t least_bytes,
                  size_t remaining) {
  if (count > most) {
    return DataLoss(name + ": wanted at most " + std::to_string(most) + " " + what + ", found " +
                    std::to_string(count));
  }
  if (count > remaining / least_bytes) {
    return DataLoss(name + ": truncated: " + std::to_string(count) + " " + what + " do not fit the " +
                    std::to_string(remaining) + " bytes that follow");
  }
  return Status();
}

Status CheckAlignment(const std::string& name, const GgufMetadata& metadata) {
  const auto entry = metadata.values.find("general.alignment");
  const uint64_t* found = entry == metadata.values.end() ? nullptr : std::get_if<uint64_t>(&entry->second);
  if (found != nullptr && *found == format::kAlignment) return Status();
  return Unsupported(name + ": general.alignment is " + (found ? std::to_string(*found) : "not given as u32") +
                     ", wanted 64");
}

}  // namespace

Result<GgufContents> ParseGguf(const std::string& name, const void* data, size_t bytes) {
  const uint8_t* begin = static_cast<const uint8_t*>(data);
  SV_RETURN_IF_ERROR(CheckMagic(name, begin, bytes));
  ByteCursor cursor(name, begin, bytes);
  SV_RETURN_IF_ERROR(cursor.Skip(8, "the header"));
  SV_ASSIGN_OR_RETURN(const uint64_t num_tensors, cursor.ReadU64("the header"));
  SV_ASSIGN_OR_RETURN(const uint64_t num_entries, cursor.ReadU64("the header"));
  SV_RETURN_IF_ERROR(CheckCount(name, "metadata entries", num_entries, format::kMaxEntries, format::kMinEntryBytes,
                                cursor.remaining()));
  const auto check_tensors = [&] {
    return CheckCount(name, "tensors", num_tensors, format::kMaxTensors, format::kMinTensorBytes, cursor.remaining());
  };
  SV_RETURN_IF_ERROR(check_tensors());
  SV_ASSIGN_OR_RETURN(GgufMetadata metadata, ReadGgufMetadata(name, num_entries, cursor));
  SV_RETURN_IF_ERROR(CheckAlignment(name, metadata));
  SV_RETURN_IF_ERROR(check_tensors());
  GgufContents contents;
  SV_ASSIGN_OR_RETURN(contents.tensors, ReadGgufTensors(name, num_tensors, begin, bytes, cursor));
  contents.metadata = std::move(metadata.values);
  contents.header_checksum_at = metadata.header_checksum_at;
  contents.data_at = static_cast<size_t>(format::AlignUp(cursor.offset()));
  return contents;
}

}  // namespace sottovoce
