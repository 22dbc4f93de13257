#include "text/wordpiece.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "text/utf8.h"

namespace sottovoce {
namespace {

constexpr std::string_view kVocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nplay\n##ing\n##s\njazz\nun\n##aff\n##able\n!\n[\n]"
    "\ncls\nth\xC3\xA9\n\xE6\x9D\xB1\n##ed\n\xF0\x9F\x98\x80";

WordPieceTokenizer Make(std::string_view vocabulary = kVocabulary, WordPieceOptions options = {}) {
  auto tokenizer = WordPieceTokenizer::Create(vocabulary, options);
  REQUIRE_MESSAGE(tokenizer.ok(), tokenizer.status().message());
  return std::move(tokenizer).value();
}

std::string Pieces(const WordPieceTokenizer& tokenizer, const Encoding& encoding) {
  std::string joined;
  for (int32_t id : encoding.ids) joined += std::string(joined.empty() ? "" : " ") + std::string(tokenizer.piece(id));
  return joined;
}

std::vector<std::pair<int32_t, int32_t>> Pairs(const Encoding& encoding) {
  std::vector<std::pair<int32_t, int32_t>> pairs;
  for (const Offset& offset : encoding.offsets) pairs.emplace_back(offset.start, offset.end);
  return pairs;
}

using Ids = std::vector<int32_t>;
using OffsetList = std::vector<std::pair<int32_t, int32_t>>;

TEST_CASE("longest match first, with offsets and words") {
  const auto tokenizer = Make();
  const Encoding encoding = tokenizer.Encode(" Playing  jazz! unaffable ");
  CHECK(Pieces(tokenizer, encoding) == "[CLS] play ##ing jazz ! un ##aff ##able [SEP]");
  CHECK(Pairs(encoding) ==
        OffsetList{{0, 0}, {1, 5}, {5, 8}, {10, 14}, {14, 15}, {16, 18}, {18, 21}, {21, 25}, {0, 0}});
  CHECK(encoding.word_ids == Ids{-1, 0, 0, 1, 1, 2, 2, 2, -1});
  CHECK_FALSE(encoding.invalid_utf8);
}

TEST_CASE("a word that cannot be spelled is one unknown piece") {
  const auto tokenizer = Make();
  const Encoding encoding = tokenizer.Encode("playx plays");
  CHECK(Pieces(tokenizer, encoding) == "[CLS] [UNK] play ##s [SEP]");
  CHECK(Pairs(encoding) == OffsetList{{0, 0}, {0, 5}, {6, 10}, {10, 11}, {0, 0}});
}

TEST_CASE("words beyond the limit are unknown") {
  WordPieceOptions options;
  options.max_word_characters = 7;
  const auto tokenizer = Make(kVocabulary, options);
  CHECK(Pieces(tokenizer, tokenizer.Encode("playing")) == "[CLS] play ##ing [SEP]");
  CHECK(Pieces(tokenizer, tokenizer.Encode("playings")) == "[CLS] [UNK] [SEP]");
}

TEST_CASE("special-token strings are ordinary text") {
  const auto tokenizer = Make();
  CHECK(Pieces(tokenizer, tokenizer.Encode("[CLS]")) == "[CLS] [ cls ] [SEP]");
}

TEST_CASE("empty texts and texts of nothing visible") {
  const auto tokenizer = Make();
  for (std::string_view text : {"", "   ", "\t\r\n", "\u200B\u200D", "\xFF", "\u0301"}) {
    CHECK(tokenizer.Encode(text).ids == Ids{tokenizer.cls_id(), tokenizer.sep_id()});
  }
  CHECK(tokenizer.Encode(std::string_view("\0play\0", 6)).ids.size() == 3);
}

TEST_CASE("CJK ideographs, emoji and ill-formed bytes") {
  const auto tokenizer = Make();
  const Encoding encoding = tokenizer.Encode("play\u6771jazz \U0001F600 \xED\xA0\x80jazz");
  CHECK(Pieces(tokenizer, encoding) == "[CLS] play \u6771 jazz \U0001F600 jazz [SEP]");
  CHECK(encoding.word_ids == Ids{-1, 0, 1, 2, 3, 4, -1});
  CHECK(Pairs(encoding) == OffsetList{{0, 0}, {0, 4}, {4, 5}, {5, 9}, {10, 11}, {13, 17}, {0, 0}});
  CHECK(encoding.invalid_utf8);
}

TEST_CASE("a cased tokenizer keeps case and accents") {
  WordPieceOptions options;
  options.lowercase = options.strip_accents = false;
  const auto tokenizer = Make(kVocabulary, options);
  CHECK(Pieces(tokenizer, tokenizer.Encode("th\u00E9 Play play")) == "[CLS] th\u00E9 [UNK] play [SEP]");
}

TEST_CASE("EncodeWords gives the ids of the joined text and indices of the words") {
  const auto tokenizer = Make();
  const Encoding words = tokenizer.EncodeWords({"playing", "\u6771jazz", "", "un affable", "jazz!"});
  CHECK(words.ids == tokenizer.Encode("playing \u6771jazz  un affable jazz!").ids);
  CHECK(words.word_ids == Ids{-1, 0, 0, 1, 1, 3, 3, 4, 4, -1});
}

TEST_CASE("100,000 characters") {
  const auto tokenizer = Make();
  std::string text;
  while (text.size() < 100000) text += "playing ";
  CHECK(tokenizer.Encode(text).ids.size() == 2 + 2 * text.size() / 8);
  CHECK(tokenizer.Encode(std::string(100000, 'a')).ids ==
        Ids{tokenizer.cls_id(), tokenizer.unknown_id(), tokenizer.sep_id()});
  std::string marks = "jazz";
  for (int i = 0; i < 50000; ++i) marks += i % 2 ? "\u0301" : "\u0323";
  CHECK(Pairs(tokenizer.Encode(marks)) == OffsetList{{0, 0}, {0, 4}, {0, 0}});
}

TEST_CASE("bad vocabularies are refused with the line at fault") {
  const std::string specials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
  const struct {
    std::string vocabulary;
    const char* message;
  } cases[] = {
      {"", "found none"},
      {specials + "a\n\nb", "line 6 is empty"},
      {specials + "a\n", "line 6 is empty"},
      {specials + "a\nb\na", "line 7 repeats line 5, \"a\""},
      {specials + "\xFF", "wanted UTF-8"},
      {"[PAD]\n[UNK]\n[CLS]\na", "wanted the sep_token \"[SEP]\""},
      {"[UNK]\n[SEP]\n[CLS]\na", "wanted the pad_token \"[PAD]\""},
  };
  for (const auto& bad : cases) {
    const auto tokenizer = WordPieceTokenizer::Create(bad.vocabulary, {});
    REQUIRE_FALSE(tokenizer.ok());
    CHECK(tokenizer.status().code() == StatusCode::kInvalidArgument);
    CHECK_MESSAGE(tokenizer.status().message().find(bad.message) != std::string::npos, tokenizer.status().message());
  }
  WordPieceOptions options;
  options.max_word_characters = 0;
  CHECK_FALSE(WordPieceTokenizer::Create(kVocabulary, options).ok());
}

TEST_CASE("every piece of a large vocabulary is found") {
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]";
  for (int i = 0; i < 50000; ++i) vocabulary += "\npiece" + std::to_string(i * 7919);
  const auto table = PieceTable::Create(vocabulary);
  REQUIRE(table.ok());
  CHECK(table->size() == 50004);
  for (int32_t id = 0; id < table->size(); ++id) {
    if (table->Find(table->piece(id)) != id) FAIL("piece " << id);
  }
  CHECK(table->Find("piece") == -1);
  CHECK(table->Find("") == -1);
}

TEST_CASE("an owning tokenizer outlives its vocabulary and moves") {
  std::string vocabulary(kVocabulary);
  auto made = WordPieceTokenizer::CreateOwning(vocabulary, {});
  REQUIRE(made.ok());
  vocabulary.assign(vocabulary.size(), 'x');
  const WordPieceTokenizer moved = std::move(made).value();
  CHECK(Pieces(moved, moved.Encode("playing")) == "[CLS] play ##ing [SEP]");
}

TEST_CASE("eight threads encode alike") {
  const auto tokenizer = Make();
  const std::string text = "playing jazz \u6771 unaffable th\u00E9!";
  const Encoding expected = tokenizer.Encode(text);
  int same[8] = {};
  std::vector<std::thread> threads;
  for (int& count : same) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += tokenizer.Encode(text).ids == expected.ids;
    });
  }
  for (auto& thread : threads) thread.join();
  for (int count : same) CHECK(count == 200);
}

}  // namespace
}  // namespace sottovoce
