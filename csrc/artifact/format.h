// The on-disk rules of an artifact (docs/artifact_format.md) and the caps a file must keep to. Each is checked before
// memory is taken for what it counts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sottovoce::format {

constexpr uint32_t kGgufVersion = 3;
constexpr size_t kHeaderBytes = 24;  // magic, version, number of tensors, number of metadata entries
constexpr uint64_t kAlignment = 64;  // bytes; of the data section and of every tensor
constexpr const char* kHeaderChecksum = "sottovoce.header_crc32c";

// What sottovoce.required_features may name: the features of this build.
constexpr const char* kFeatures[] = {"relative_positions",     "learned_clips",     "learned_steps",
                                     "asymmetric_activations", "4_bit_activations", "ghost_features",
                                     "attention_operands"};

constexpr uint64_t kMaxTensors = 16384;
constexpr uint64_t kMaxEntries = 4096;          // of metadata
constexpr uint64_t kMaxNameBytes = 256;         // of a metadata key or a tensor name
constexpr uint64_t kMaxStringBytes = 16 << 20;  // of one metadata string
constexpr uint64_t kMaxArrayItems = 1 << 20;    // of one metadata array
constexpr uint32_t kMaxRank = 4;

// The fewest bytes a file spends on a metadata entry (key length, key, type, value) and on the description of a tensor.
constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

constexpr uint64_t AlignUp(uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace sottovoce::format
