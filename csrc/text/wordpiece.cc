#include "text/wordpiece.h"

#include <algorithm>
#include <cstring>

#include "text/utf8.h"

namespace sottovoce {
namespace {

constexpr std::string_view kContinuation = "##";  // marks a piece that does not begin its word

}  // namespace

// Scratch and result of one call.
class WordPieceTokenizer::Encoder {
 public:
  explicit Encoder(const WordPieceTokenizer& tokenizer) : tokenizer_(tokenizer) {
    Append(tokenizer_.cls_id_, {0, 0}, -1);
  }

  // Splits at blanks and around punctuation. A word's index is `word_id`, or counts up from the last one when that is
  // -1.
  void AddText(std::string_view text, int32_t word_id) {
    characters_.clear();
    if (!Normalize(text, tokenizer_.normalizer_options(), &characters_)) encoding_.invalid_utf8 = true;
    const NormalizedCharacter* cursor = characters_.data();
    const NormalizedCharacter* end = cursor + characters_.size();
    while (cursor < end) {
      if (cursor->point == ' ') {
        ++cursor;
        continue;
      }
      const int32_t id = word_id >= 0 ? word_id : num_words_++;
      while (cursor < end && cursor->point != ' ') {
        const NormalizedCharacter* first = cursor++;
        if (!first->punctuation) {
          while (cursor < end && cursor->point != ' ' && !cursor->punctuation) ++cursor;
        }
        AddWord(first, cursor, id);
      }
    }
  }

  Encoding Finish() {
    Append(tokenizer_.sep_id_, {0, 0}, -1);
    return std::move(encoding_);
  }

 private:
  // Longest match first; a word that is too long or does not come out is one unknown piece.
  void AddWord(const NormalizedCharacter* first, const NormalizedCharacter* last, int32_t word_id) {
    const auto num_characters = static_cast<size_t>(last - first);
    if (num_characters > static_cast<size_t>(tokenizer_.options_.max_word_characters)) {
      return Append(tokenizer_.unknown_id_, Span(first, last), word_id);
    }
    word_.resize(4 * num_characters);
    byte_offsets_.resize(num_characters + 1);
    hashes_.resize(num_characters + 1);
    uint32_t num_bytes = 0;
    for (size_t i = 0; i < num_characters; ++i) {
      byte_offsets_[i] = num_bytes;
      num_bytes += EncodeUtf8(first[i].point, &word_[num_bytes]);
    }
    byte_offsets_[num_characters] = num_bytes;

    const size_t num_before = encoding_.ids.size();
    size_t start = 0;
    while (start < num_characters) {
      size_t end = 0;
      const int32_t id = LongestPiece(start, num_characters, &end);
      if (id < 0) {
        encoding_.ids.resize(num_before);
        encoding_.offsets.resize(num_before);
        encoding_.word_ids.resize(num_before);
        return Append(tokenizer_.unknown_id_, Span(first, last), word_id);
      }
      Append(id, Span(first + start, first + end), word_id);
      start = end;
    }
  }

  // The longest piece of the vocabulary that begins at character `start` of word_; -1 when there is none.
  int32_t LongestPiece(size_t start, size_t num_characters, size_t* end) {
    const std::string_view prefix = start == 0 ? std::string_view() : kContinuation;
    const size_t max_bytes = tokenizer_.pieces_.max_piece_bytes();
    const uint32_t base = byte_offsets_[start];
    uint64_t hash = PieceTable::Hash(prefix);
    size_t stop = start;
    for (; stop < num_characters && prefix.size() + byte_offsets_[stop + 1] - base <= max_bytes; ++stop) {
      for (uint32_t i = byte_offsets_[stop]; i < byte_offsets_[stop + 1]; ++i)
        hash = PieceTable::ExtendHash(hash, word_[i]);
      hashes_[stop + 1] = hash;
    }
    for (; stop > start; --stop) {
      const int32_t id = tokenizer_.pieces_.Find(hashes_[stop], prefix, {&word_[base], byte_offsets_[stop] - base});
      if (id < 0) continue;
      *end = stop;
      return id;
    }
    return -1;
  }

  static Offset Span(const NormalizedCharacter* first, const NormalizedCharacter* last) {
    return {first->source, last[-1].source + 1};
  }

  void Append(int32_t id, Offset offset, int32_t word_id) {
    encoding_.ids.push_back(id);
    encoding_.offsets.push_back(offset);
    encoding_.word_ids.push_back(word_id);
  }

  const WordPieceTokenizer& tokenizer_;
  Encoding encoding_;
  int32_t num_words_ = 0;
  std::vector<NormalizedCharacter> characters_;
  std::string word_;                    // UTF-8 of the word at hand
  std::vector<uint32_t> byte_offsets_;  // (characters + 1): where each begins in word_
  std::vector<uint64_t> hashes_;        // (characters + 1): of the piece that ends before each
};

Result<WordPieceTokenizer> WordPieceTokenizer::Create(std::string_view vocabulary, const WordPieceOptions& options) {
  if (options.max_word_characters < 1) {
    return InvalidArgument("max_word_characters: wanted at least 1, found " +
                           std::to_string(options.max_word_characters));
  }
  WordPieceTokenizer tokenizer;
  tokenizer.options_ = options;
  SV_ASSIGN_OR_RETURN(tokenizer.pieces_, PieceTable::Create(vocabulary));
  const struct {
    const char* name;
    const std::string& token;
    int32_t* id;
  } specials[] = {{"unknown_token", options.unknown_token, &tokenizer.unknown_id_},
                  {"cls_token", options.cls_token, &tokenizer.cls_id_},
                  {"sep_token", options.sep_token, &tokenizer.sep_id_},
                  {"pad_token", options.pad_token, &tokenizer.pad_id_}};
  for (const auto& special : specials) {
    *special.id = tokenizer.FindPiece(special.token);
    if (*special.id < 0) {
      return InvalidArgument("vocabulary: wanted the " + std::string(special.name) + " \"" + special.token +
                             "\", found no such piece among " + std::to_string(tokenizer.vocabulary_size()));
    }
  }
  return tokenizer;
}

Result<WordPieceTokenizer> WordPieceTokenizer::CreateOwning(std::string_view vocabulary,
                                                            const WordPieceOptions& options) {
  auto copy = std::make_unique<char[]>(vocabulary.size());
  std::copy(vocabulary.begin(), vocabulary.end(), copy.get());
  SV_ASSIGN_OR_RETURN(WordPieceTokenizer tokenizer, Create({copy.get(), vocabulary.size()}, options));
  tokenizer.owned_ = std::move(copy);
  return tokenizer;
}

Encoding WordPieceTokenizer::Encode(std::string_view text) const {
  Encoder encoder(*this);
  encoder.AddText(text.substr(0, kMaxTextBytes), -1);
  return encoder.Finish();
}

Encoding WordPieceTokenizer::EncodeWords(const std::vector<std::string_view>& words) const {
  Encoder encoder(*this);
  for (size_t i = 0; i < words.size(); ++i) encoder.AddText(words[i].substr(0, kMaxTextBytes), static_cast<int32_t>(i));
  return encoder.Finish();
}

}  // namespace sottovoce
