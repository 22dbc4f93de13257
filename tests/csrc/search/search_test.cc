#include <doctest/doctest.h>

#include <cmath>

#include "search/greedy.h"

namespace sottovoce {
namespace {

// A frame of a model that wants the symbols of `script` one after another, then blank; returns how many it got.
size_t DriveFrame(GreedySearch& search, int64_t frame, const std::vector<int>& script, size_t at) {
  search.BeginFrame(frame);
  while (!search.wanted().empty()) {
    REQUIRE(search.wanted() == std::vector<int>{0});
    std::vector<float> logits(4, 0.0f);
    logits[static_cast<size_t>(at < script.size() ? script[at] : 0)] = 2.0f;
    search.Round(logits.data());
    for (const Extension& e : search.extensions()) {
      CHECK(e.from == 0);
      CHECK(e.to == 0);
      CHECK(e.symbol == script[at++]);
    }
  }
  return at;
}

}  // namespace

TEST_CASE("greedy takes symbols until blank, with their probabilities") {
  GreedySearch search({4, 5});
  CHECK(DriveFrame(search, 7, {3, 1, 2}, 0) == 3);
  const std::vector<DecodedToken>& tokens = search.tokens();
  REQUIRE(tokens.size() == 3);
  CHECK(tokens[0].symbol == 3);
  CHECK(tokens[2].symbol == 2);
  CHECK(tokens[1].frame == 7);
  CHECK(tokens[1].log_prob == doctest::Approx(2.0 - std::log(std::exp(2.0) + 3.0)));
}

TEST_CASE("greedy stops at the cap of a frame and goes on at the next") {
  const std::vector<int> script = {1, 1, 1, 1, 1, 1, 1};
  GreedySearch search({4, 5});
  CHECK(DriveFrame(search, 0, script, 0) == 5);
  CHECK(DriveFrame(search, 1, script, 5) == 7);
  CHECK(search.tokens().back().frame == 1);
  search.Start();
  CHECK(search.tokens().empty());
}

TEST_CASE("equal logits give blank") {
  GreedySearch search({3, 5});
  search.BeginFrame(0);
  const float flat[3] = {1.0f, 1.0f, 1.0f};
  search.Round(flat);
  CHECK(search.wanted().empty());
  CHECK(search.extensions().empty());
  CHECK(search.tokens().empty());
}

}  // namespace sottovoce
