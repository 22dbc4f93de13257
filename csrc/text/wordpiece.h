// BERT tokenization: normalisation, words, WordPiece; equal to Hugging Face `tokenizers` (BertNormalizer,
// BertPreTokenizer, WordPiece), with offsets into the original text. Immutable once made: any number of threads may
// encode with one tokenizer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/normalizer.h"
#include "text/piece_table.h"

namespace sottovoce {

struct WordPieceOptions {
  bool lowercase = true;
  bool strip_accents = true;
  bool chinese_chars = true;
  std::string unknown_token = "[UNK]";
  std::string cls_token = "[CLS]";
  std::string sep_token = "[SEP]";
  std::string pad_token = "[PAD]";
  int32_t max_word_characters = 100;  // a longer word is one unknown piece
};

// Characters [start, end) of the original text, in Unicode code points.
struct Offset {
  int32_t start = 0;
  int32_t end = 0;
};

// The four of one text; ids, offsets and word_ids have one entry a piece, [CLS] first and [SEP] last.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<Offset> offsets;  // (0, 0) for [CLS] and [SEP]
  std::vector<int32_t>
      word_ids;  // which blank-separated word, a CJK ideograph being one of its own; -1 for [CLS] and [SEP]
  bool invalid_utf8 = false;  // ill-formed bytes were dropped
};

class WordPieceTokenizer {
 public:
  static constexpr int64_t kMaxTextBytes = INT32_MAX;

  // `vocabulary` is the pieces joined by '\n' (the id of a piece is its line), viewed: it must outlive the tokenizer.
  // Fails when a line is empty or repeated, or a special token is missing.
  static Result<WordPieceTokenizer> Create(std::string_view vocabulary, const WordPieceOptions& options);
  // The same with a copy of its own.
  static Result<WordPieceTokenizer> CreateOwning(std::string_view vocabulary, const WordPieceOptions& options);

  // [CLS] pieces [SEP], never truncated; special-token strings in the text are ordinary text. Bytes beyond
  // kMaxTextBytes are not read.
  Encoding Encode(std::string_view text) const;
  // The encoding of the words joined by blanks, but word_ids are indices into `words` (a word of controls only has no
  // piece) and offsets count within each word.
  Encoding EncodeWords(const std::vector<std::string_view>& words) const;

  int32_t vocabulary_size() const { return pieces_.size(); }
  std::string_view piece(int32_t id) const { return pieces_.piece(id); }         // 0 <= id < vocabulary_size()
  int32_t FindPiece(std::string_view text) const { return pieces_.Find(text); }  // -1: none
  int32_t unknown_id() const { return unknown_id_; }
  int32_t cls_id() const { return cls_id_; }
  int32_t sep_id() const { return sep_id_; }
  int32_t pad_id() const { return pad_id_; }
  const WordPieceOptions& options() const { return options_; }

 private:
  class Encoder;

  WordPieceTokenizer() = default;
  NormalizerOptions normalizer_options() const {
    return {options_.lowercase, options_.strip_accents, options_.chinese_chars};
  }

  std::unique_ptr<char[]> owned_;  // what pieces_ views, when the tokenizer owns it
  PieceTable pieces_;
  WordPieceOptions options_;
  int32_t unknown_id_ = 0;
  int32_t cls_id_ = 0;
  int32_t sep_id_ = 0;
  int32_t pad_id_ = 0;
};

}  // namespace sottovoce
