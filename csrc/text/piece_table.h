// A vocabulary as one newline-joined text, and a hash table over it: 4 bytes a piece for its place, 8 to 16 for the
// table.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace sottovoce {

class PieceTable {
 public:
  static constexpr int32_t kMaxPieces = (1 << 20) - 1;  // ids take 20 bits of a slot
  // Longer runs of occupied slots come only from pieces made to collide; refusing them keeps loading linear.
  static constexpr int kMaxProbes = 1024;

  // Hash of a byte string, extended a byte at a time so that all prefixes of a word cost one pass (FNV-1a, 64 bits).
  static constexpr uint64_t kEmptyHash = 0xCBF29CE484222325u;
  static constexpr uint64_t ExtendHash(uint64_t hash, char byte) {
    return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  }
  static uint64_t Hash(std::string_view text) {
    uint64_t hash = kEmptyHash;
    for (char byte : text) hash = ExtendHash(hash, byte);
    return hash;
  }

  // Views `vocabulary`, which must outlive the table. Pieces are unique, not empty, UTF-8; no newline at the end.
  static Result<PieceTable> Create(std::string_view vocabulary);

  int32_t size() const { return static_cast<int32_t>(starts_.size()) - 1; }
  size_t max_piece_bytes() const { return max_piece_bytes_; }
  // 0 <= id < size().
  std::string_view piece(int32_t id) const {
    return vocabulary_.substr(starts_[id], starts_[id + 1] - starts_[id] - 1);
  }
  // The id of `prefix` + `rest`, whose joint hash is `hash`; -1 when there is no such piece.
  int32_t Find(uint64_t hash, std::string_view prefix, std::string_view rest) const;
  int32_t Find(std::string_view text) const { return Find(Hash(text), {}, text); }

 private:
  static constexpr uint32_t kEmptySlot = 0xFFFFFFFFu;

  static uint64_t Mix(uint64_t hash) { return (hash ^ hash >> 32) * 0x9E3779B97F4A7C15u; }
  // The slot's upper 12 bits repeat bits of the hash: most misses end without a look at the vocabulary.
  static uint32_t Fingerprint(uint64_t mixed) { return static_cast<uint32_t>(mixed) & 0xFFF00000u; }
  size_t FirstSlot(uint64_t mixed) const { return static_cast<size_t>(mixed >> shift_); }

  std::string_view vocabulary_;
  std::vector<uint32_t> starts_;  // (pieces + 1): where each begins; the last entry is one beyond a final newline
  std::vector<uint32_t> slots_;   // (a power of two): fingerprint | id
  int shift_ = 0;                 // 64 - log2(slots)
  size_t max_piece_bytes_ = 0;
};

}  // namespace sottovoce
