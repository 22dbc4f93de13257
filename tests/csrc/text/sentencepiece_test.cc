#include "text/sentencepiece.h"

#include <doctest/doctest.h>

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

}  // namespace sottovoce
