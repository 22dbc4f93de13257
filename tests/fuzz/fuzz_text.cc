// libFuzzer target: any bytes as text, and as vocabulary. Checks what must hold of every encoding.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/utf8.h"
#include "text/wordpiece.h"

namespace {

using sottovoce::Encoding;
using sottovoce::WordPieceTokenizer;

constexpr std::string_view kSpecials = "[PAD]\n[UNK]\n[CLS]\n[SEP]";

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckEncoding(const WordPieceTokenizer& tokenizer, std::string_view text) {
  const Encoding encoding = tokenizer.Encode(text);
  const size_t num_pieces = encoding.ids.size();
  Require(num_pieces >= 2 && encoding.offsets.size() == num_pieces && encoding.word_ids.size() == num_pieces);
  Require(encoding.ids.front() == tokenizer.cls_id() && encoding.ids.back() == tokenizer.sep_id());
  Require(encoding.invalid_utf8 == !sottovoce::IsValidUtf8(text));
  const int64_t num_characters = sottovoce::CountCharacters(text);
  int32_t last_start = 0, last_word = -1;
  for (size_t i = 1; i + 1 < num_pieces; ++i) {
    const auto [start, end] = encoding.offsets[i];
    Require(encoding.ids[i] >= 0 && encoding.ids[i] < tokenizer.vocabulary_size());
    Require(start >= last_start && end > start && end <= num_characters);
    Require(encoding.word_ids[i] == last_word || encoding.word_ids[i] == last_word + 1);
    Require(!sottovoce::SliceCharacters(text, start, end).empty());
    last_start = start;
    last_word = encoding.word_ids[i];
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  sottovoce::WordPieceOptions options;
  options.lowercase = data[0] & 1;
  options.strip_accents = data[0] & 2;
  options.chinese_chars = data[0] & 4;
  options.max_word_characters = 1 + data[1];
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  // What precedes the first NUL is vocabulary, the rest is text.
  const size_t split = input.find('\0');
  const std::string_view pieces = split == std::string_view::npos ? std::string_view() : input.substr(0, split);
  const std::string_view text = split == std::string_view::npos ? input : input.substr(split + 1);

  const auto hostile = WordPieceTokenizer::CreateOwning(pieces, options);  // rarely good, never fatal
  if (hostile.ok()) CheckEncoding(hostile.value(), text);
  const std::string vocabulary = std::string(kSpecials) + "\n" + std::string(pieces);
  const auto likely = WordPieceTokenizer::Create(vocabulary, options);
  if (likely.ok()) CheckEncoding(likely.value(), text);
  static const auto letters = WordPieceTokenizer::CreateOwning(
      std::string(kSpecials) +
          "\na\n##a\nb\n##b\nab\n##ab\ne\n##e\n\xCC\x81\n##\xCC\x81\n.\n\xE6\x9D\xB1\n##\xE3\x80\xAE",
      {});
  CheckEncoding(letters.value(), text);
  return 0;
}
