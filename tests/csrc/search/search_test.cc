#include <doctest/doctest.h>

#include <cmath>

#include "search/greedy.h"

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

}  // namespace sottovoce
