#include "pipeline/words.h"

#include <doctest/doctest.h>

#include <cmath>

namespace sottovoce {

TEST_CASE("words from pieces: starts, times, confidences, bytes") {
  const std::vector<std::string> pieces = {"<blk>", "\u2581play", "s", "\u2581", "jazz", "<0xC3>", "<0xA9>"};
  const std::vector<DecodedToken> tokens = {
      {1, 2, std::log(0.5f)}, {2, 4, std::log(0.125f)}, {3, 5, 0.0f}, {4, 6, 0.0f}, {5, 6, 0.0f}, {6, 7, 0.0f}};
  const auto words = TokensToWords(tokens, pieces, 0.08);
  REQUIRE(words.size() == 2);
  CHECK(words[0].text == "plays");
  CHECK(words[0].start_seconds == doctest::Approx(0.16));
  CHECK(words[0].end_seconds == doctest::Approx(0.40));
  CHECK(words[0].confidence == doctest::Approx(0.25));
  CHECK(words[1].text == "jazz\xC3\xA9");
  CHECK(words[1].start_seconds == doctest::Approx(0.40));
  CHECK(JoinWords(words) == "plays jazz\xC3\xA9");
}

TEST_CASE("no tokens, marks alone and unknown symbols give no words") {
  const std::vector<std::string> pieces = {"<blk>", "\u2581"};
  CHECK(TokensToWords({}, pieces, 0.08).empty());
  CHECK(TokensToWords({{1, 0, 0.0f}, {1, 1, 0.0f}, {9, 1, 0.0f}, {-1, 1, 0.0f}}, pieces, 0.08).empty());
  CHECK(JoinWords({}).empty());
}

TEST_CASE("bytes that are no UTF-8 and unknown pieces are shown, not passed on") {
  const std::vector<std::string> pieces = {"<blk>", "<unk>", "\u2581a", "b", "<0xC3>", "<0xA9>", "<0xED>"};
  const auto text = [&](std::initializer_list<int> symbols) {
    std::vector<DecodedToken> tokens;
    for (int symbol : symbols) tokens.push_back({symbol, 0, 0.0f});
    return JoinWords(TokensToWords(tokens, pieces, 0.08));
  };
  CHECK(text({2, 4, 3}) == "a\uFFFDb");
  CHECK(text({2, 5, 4, 5, 4}) == "a\uFFFD\u00E9\uFFFD");
  CHECK(text({2, 6, 5, 5}) == "a\uFFFD\uFFFD\uFFFD");  // a surrogate
  CHECK(text({2, 1, 3}) == "a \u2047 b");
}

}  // namespace sottovoce
