#include "text/sentencepiece.h"

#include <doctest/doctest.h>

#include <cstdio>

namespace sottovoce {
namespace {

using Model = SentencePieceEncoder::Model;
const std::vector<std::string> kPieces = {"<blk>",
                                          "<unk>",
                                          "ab",
                                          "\xE2\x96\x81"
                                          "a",
                                          "\xE2\x96\x81"
                                          "ab",
                                          "a",
                                          "b",
                                          "\xE2\x96\x81",
                                          "c"};

}  // namespace

TEST_CASE("BPE merges in the order of ids") {
  const auto encoder = SentencePieceEncoder::Create(Model::kBpe, kPieces, {});
  REQUIRE(encoder.ok());
  CHECK(encoder->Encode("ab") == std::vector<int>{4});  // a b, then _ ab
  CHECK(encoder->Encode("  c  ab ") == std::vector<int>{7, 8, 4});
  CHECK(encoder->Encode("").empty());
  CHECK(encoder->Encode("a?!b") == std::vector<int>{3, 1, 6});  // a run of unknown characters is one
}

TEST_CASE("unigram takes the likeliest path, characters take none") {
  CHECK(!SentencePieceEncoder::Create(Model::kUnigram, kPieces, {1.0f}).ok());
  const auto encoder = SentencePieceEncoder::Create(Model::kUnigram, kPieces,
                                                    {0.0f, 0.0f, -9.0f, -1.0f, -5.0f, -3.0f, -1.0f, -1.0f, -2.0f});
  REQUIRE(encoder.ok());
  CHECK(encoder->Encode("ab") == std::vector<int>{3, 6});
  const auto characters = SentencePieceEncoder::Create(Model::kChar, kPieces, {});
  CHECK(characters->Encode("ab") == std::vector<int>{7, 5, 6});
}

TEST_CASE("text in the vocabulary's case, and what it cannot write") {
  const auto make = [](Model model, std::vector<std::string> pieces) {
    pieces.insert(pieces.begin(), "<unk>");
    std::vector<float> scores(pieces.size(), -1.0f);
    return *SentencePieceEncoder::Create(model, pieces, std::move(scores));
  };
  const std::string mark(kWordMark);
  for (Model model : {Model::kBpe, Model::kUnigram, Model::kChar}) {
    const auto lower = make(model, {mark, "a", "b", "\xC3\xA9"});  // é
    CHECK(lower.FoldCase("Ab A\xC3\x89 3") == "ab a\xC3\xA9 3");
    CHECK(lower.FirstUnknown(" ab  a\xC3\xA9 ").empty());
    CHECK(lower.FirstUnknown("a3c") == "3");
    CHECK(lower.FirstUnknown("aB") == "B");
    CHECK(lower.FirstUnknown("a\xFF") == "\xFF");
    const auto capitals = make(model, {mark, "A", "B"});
    CHECK(capitals.FoldCase("Ab") == "AB");
    const auto both = make(model, {mark, "A", "a", "B"});
    CHECK(both.FoldCase("aAbB") == "aABB");
  }
  std::vector<std::string> pieces = {mark, "a"};
  for (int value = 0; value < 256; ++value) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(value));
    pieces.push_back(name);
  }
  CHECK(make(Model::kBpe, pieces).FirstUnknown("a?").empty());  // bytes can write all
}

}  // namespace sottovoce
