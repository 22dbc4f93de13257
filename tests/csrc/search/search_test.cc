#include <doctest/doctest.h>

#include <cmath>

#include "search/greedy.h"
#include "search/words.h"

namespace sottovoce {
namespace {

// Wants the symbols of `script` one after another at every frame, then blank.
class ScriptedScorer final : public TransducerScorer {
 public:
  explicit ScriptedScorer(std::vector<int> script) : script_(std::move(script)) {}

  int vocab_size() const override { return 4; }
  const float* Logits(const float*) override {
    for (float& x : logits_) x = 0.0f;
    logits_[at_ < script_.size() ? script_[at_] : 0] = 2.0f;
    return logits_;
  }
  void Append(int symbol) override {
    CHECK(symbol == script_[at_]);
    ++at_;
  }

 private:
  std::vector<int> script_;
  size_t at_ = 0;
  float logits_[4];
};

}  // namespace

TEST_CASE("greedy takes symbols until blank, with their probabilities") {
  ScriptedScorer scorer({3, 1, 2});
  std::vector<DecodedToken> tokens;
  GreedyFrame(nullptr, 7, {}, scorer, tokens);
  REQUIRE(tokens.size() == 3);
  CHECK(tokens[0].symbol == 3);
  CHECK(tokens[2].symbol == 2);
  CHECK(tokens[1].frame == 7);
  CHECK(tokens[1].log_prob == doctest::Approx(2.0 - std::log(std::exp(2.0) + 3.0)));
}

TEST_CASE("greedy stops at the cap of a frame and goes on at the next") {
  ScriptedScorer scorer({1, 1, 1, 1, 1, 1, 1});
  std::vector<DecodedToken> tokens;
  GreedyFrame(nullptr, 0, {}, scorer, tokens);
  CHECK(tokens.size() == 5);
  GreedyFrame(nullptr, 1, {}, scorer, tokens);
  CHECK(tokens.size() == 7);
  CHECK(tokens.back().frame == 1);
}

TEST_CASE("equal logits give blank") {
  class Flat final : public TransducerScorer {
   public:
    int vocab_size() const override { return 3; }
    const float* Logits(const float*) override { return logits_; }
    void Append(int) override { FAIL("blank is not appended"); }

   private:
    float logits_[3] = {1.0f, 1.0f, 1.0f};
  } scorer;
  std::vector<DecodedToken> tokens;
  GreedyFrame(nullptr, 0, {}, scorer, tokens);
  CHECK(tokens.empty());
}

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

}  // namespace sottovoce
