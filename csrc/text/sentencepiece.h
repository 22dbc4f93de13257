// Text to SentencePiece ids, as the library of that name segments it (Kudo and Richardson 2018; BPE: Sennrich et al.
// 2016).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"

namespace sottovoce {

constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581, of pieces that start a word

class SentencePieceEncoder {
 public:
  enum class Model { kBpe, kUnigram, kChar };

  // "bpe", "unigram" or "char", as artifacts name them.
  static Result<Model> ParseModel(const std::string& name);

  // pieces: by id; "<...>" (blank, unknown, bytes) are never part of text.
  // scores: (pieces), natural logarithms, needed by kUnigram; the ids of a BPE vocabulary are in the order of its
  // merges.
  static Result<SentencePieceEncoder> Create(Model model, const std::vector<std::string>& pieces,
                                             std::vector<float> scores);

  // Spaces (U+0020 alone, as with the library's normalization `identity`) become word marks, one before each word. A
  // character without a piece becomes its byte pieces if the vocabulary has them, else `unknown` once for a run of
  // them.
  std::vector<int> Encode(std::string_view text, int unknown = 1) const;

  // Text in the vocabulary's case: a character that no piece has is exchanged for its lowercase or its capital if a
  // piece has that.
  std::string FoldCase(std::string_view text) const;

  // The first character of which Encode() makes `unknown`; empty when there is none.
  std::string FirstUnknown(std::string_view text) const;

 private:
  struct Span {
    std::string_view text;
    int id;  // -1: no piece
  };
  std::vector<Span> Segment(std::string_view marked) const;
  std::vector<Span> Characters(std::string_view text) const;
  std::vector<Span> MergePairs(std::string_view text) const;
  std::vector<Span> BestPath(std::string_view text) const;
  int Find(std::string_view piece) const;

  Model model_ = Model::kBpe;
  std::unordered_map<std::string, int> ids_;
  std::map<uint32_t, uint32_t> cases_;  // characters of pieces to themselves; lowercase of capitals to these
  std::vector<float> scores_;
  std::vector<int> bytes_;  // (256) ids of "<0x00>" ... or empty
  size_t longest_ = 0;      // bytes of the longest piece
  float unknown_score_ = 0.0f;
};

}  // namespace sottovoce
