#include "text/piece_table.h"

#include <algorithm>
#include <cstring>

#include "text/utf8.h"

namespace sottovoce {

Result<PieceTable> PieceTable::Create(std::string_view vocabulary) {
  if (vocabulary.empty()) return InvalidArgument("vocabulary: wanted at least one piece, found none");
  if (vocabulary.size() >= UINT32_MAX) return InvalidArgument("vocabulary: wanted less than 4 GB, found more");
  if (!IsValidUtf8(vocabulary)) return InvalidArgument("vocabulary: wanted UTF-8, found other bytes");
  const auto num_pieces = std::count(vocabulary.begin(), vocabulary.end(), '\n') + 1;
  if (num_pieces > kMaxPieces) {
    return InvalidArgument("vocabulary: wanted at most " + std::to_string(kMaxPieces) + " pieces, found " +
                           std::to_string(num_pieces));
  }
  PieceTable table;
  table.vocabulary_ = vocabulary;
  table.starts_.reserve(num_pieces + 1);
  table.starts_.push_back(0);
  int log2_slots = 3;
  while ((int64_t{1} << log2_slots) < 2 * num_pieces) ++log2_slots;
  table.shift_ = 64 - log2_slots;
  table.slots_.assign(size_t{1} << log2_slots, kEmptySlot);
  const size_t mask = table.slots_.size() - 1;

  for (int32_t id = 0; id < num_pieces; ++id) {
    const size_t start = table.starts_.back();
    const size_t end = std::min(vocabulary.find('\n', start), vocabulary.size());
    table.starts_.push_back(static_cast<uint32_t>(end + 1));
    const std::string_view piece = vocabulary.substr(start, end - start);
    if (piece.empty()) return InvalidArgument("vocabulary: line " + std::to_string(id + 1) + " is empty");
    table.max_piece_bytes_ = std::max(table.max_piece_bytes_, piece.size());
    const uint64_t mixed = Mix(Hash(piece));
    size_t slot = table.FirstSlot(mixed);
    for (int probes = 0; table.slots_[slot] != kEmptySlot; slot = (slot + 1) & mask) {
      const uint32_t other = table.slots_[slot];
      if ((other & 0xFFF00000u) == Fingerprint(mixed) && table.piece(other & 0xFFFFF) == piece) {
        return InvalidArgument("vocabulary: line " + std::to_string(id + 1) + " repeats line " +
                               std::to_string((other & 0xFFFFF) + 1) + ", \"" + std::string(piece.substr(0, 64)) +
                               "\"");
      }
      if (++probes == kMaxProbes) {
        return InvalidArgument("vocabulary: line " + std::to_string(id + 1) + " collides with more than " +
                               std::to_string(kMaxProbes) + " others");
      }
    }
    table.slots_[slot] = Fingerprint(mixed) | static_cast<uint32_t>(id);
  }
  return table;
}

int32_t PieceTable::Find(uint64_t hash, std::string_view prefix, std::string_view rest) const {
  const uint64_t mixed = Mix(hash);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = FirstSlot(mixed); slots_[slot] != kEmptySlot; slot = (slot + 1) & mask) {
    if ((slots_[slot] & 0xFFF00000u) != Fingerprint(mixed)) continue;
    const auto id = static_cast<int32_t>(slots_[slot] & 0xFFFFF);
    const std::string_view found = piece(id);
    if (found.size() == prefix.size() + rest.size() && found.substr(0, prefix.size()) == prefix &&
        found.substr(prefix.size()) == rest) {
      return id;
    }
  }
  return -1;
}

}  // namespace sottovoce
