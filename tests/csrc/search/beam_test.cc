#include "search/beam.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <vector>

#include "search/endpoint.h"

namespace sottovoce {
namespace {

// Logits that depend on the frame and on the labels so far, from a table; 0 where nothing is said.
class TableScorer final : public BeamScorer {
 public:
  using Labels = std::vector<int>;
  TableScorer(int vocab, std::map<std::pair<int, Labels>, std::vector<float>> table)
      : vocab_(vocab), table_(std::move(table)) {}

  int vocab_size() const override { return vocab_; }
  void Reserve(int num_slots) override {
    labels_.resize(static_cast<size_t>(num_slots));
    logits_.resize(static_cast<size_t>(num_slots));
  }
  void Start(int slot) override { labels_[static_cast<size_t>(slot)].clear(); }
  void Append(int from, int symbol, int to) override {
    REQUIRE(from != to);
    labels_[static_cast<size_t>(to)] = labels_[static_cast<size_t>(from)];
    labels_[static_cast<size_t>(to)].push_back(symbol);
  }
  const float* Logits(int slot, const float* frame) override {
    const size_t s = static_cast<size_t>(slot);
    const auto found = table_.find({static_cast<int>(*frame), labels_[s]});
    logits_[s] = found != table_.end() ? found->second : std::vector<float>(static_cast<size_t>(vocab_), 0.0f);
    return logits_[s].data();
  }

 private:
  int vocab_;
  std::map<std::pair<int, Labels>, std::vector<float>> table_;
  std::vector<Labels> labels_;
  std::vector<std::vector<float>> logits_;
};

// All paths of a small lattice: log probability of every label sequence of at most `most` symbols a frame.
void Enumerate(TableScorer& scorer, int frames, int most, int frame, int emitted, const std::vector<int>& labels,
               double log_prob, std::map<std::vector<int>, double>& total) {
  if (frame == frames) {
    const auto found = total.find(labels);
    total[labels] = found == total.end() ? log_prob : std::log(std::exp(found->second) + std::exp(log_prob));
    return;
  }
  scorer.Start(0);
  int slot = 0;
  for (int symbol : labels) {
    scorer.Append(slot, symbol, 1 - slot);
    slot = 1 - slot;
  }
  const float at = static_cast<float>(frame);
  const float* logits = scorer.Logits(slot, &at);
  std::vector<double> probability;
  double sum = 0.0;
  for (int v = 0; v < scorer.vocab_size(); ++v) sum += std::exp(static_cast<double>(logits[v]));
  for (int v = 0; v < scorer.vocab_size(); ++v) probability.push_back(std::exp(static_cast<double>(logits[v])) / sum);
  if (emitted == most) {
    Enumerate(scorer, frames, most, frame + 1, 0, labels, log_prob, total);
    return;
  }
  Enumerate(scorer, frames, most, frame + 1, 0, labels, log_prob + std::log(probability[0]), total);
  for (int v = 1; v < scorer.vocab_size(); ++v) {
    std::vector<int> longer = labels;
    longer.push_back(v);
    Enumerate(scorer, frames, most, frame, emitted + 1, longer,
              log_prob + std::log(probability[static_cast<size_t>(v)]), total);
  }
}

std::map<std::pair<int, std::vector<int>>, std::vector<float>> RandomTable(uint32_t seed) {
  std::map<std::pair<int, std::vector<int>>, std::vector<float>> table;
  std::vector<std::vector<int>> all = {{}};
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].size() >= 6) continue;
    for (int v : {1, 2}) {
      all.push_back(all[i]);
      all.back().push_back(v);
    }
  }
  for (int frame = 0; frame < 3; ++frame) {
    for (const auto& labels : all) {
      std::vector<float> logits;
      for (int v = 0; v < 3; ++v) {
        seed = seed * 1664525u + 1013904223u;
        logits.push_back(static_cast<float>(seed >> 8) / 16777216.0f * 4.0f - 2.0f);
      }
      table[{frame, labels}] = logits;
    }
  }
  return table;
}

std::vector<int> Symbols(const std::vector<DecodedToken>& tokens) {
  std::vector<int> symbols;
  for (const DecodedToken& token : tokens) symbols.push_back(token.symbol);
  return symbols;
}

}  // namespace

TEST_CASE("a wide beam finds every label sequence with its whole probability") {
  for (uint32_t seed : {1u, 2u, 3u, 4u, 5u}) {
    TableScorer reference(3, RandomTable(seed)), scorer(3, RandomTable(seed));
    reference.Reserve(2);
    std::map<std::vector<int>, double> total;
    Enumerate(reference, 3, 2, 0, 0, {}, 0.0, total);
    BeamSearch search({60, 2}, &scorer, nullptr);
    for (int frame = 0; frame < 3; ++frame) {
      const float at = static_cast<float>(frame);
      search.Frame(&at, frame);
    }
    const std::vector<Hypothesis> found = search.NBest(200);
    double best = -1e9;
    std::vector<int> best_labels;
    for (const auto& [labels, log_prob] : total) {
      if (log_prob > best) {
        best = log_prob;
        best_labels = labels;
      }
    }
    CHECK(Symbols(found[0].tokens) == best_labels);
    CHECK(found[0].log_prob == doctest::Approx(best).epsilon(1e-4));
    for (const Hypothesis& hypothesis : found) {
      CHECK(hypothesis.log_prob <= total.at(Symbols(hypothesis.tokens)) + 1e-4);
    }
  }
}

TEST_CASE("slots are never lost") {
  TableScorer scorer(3, RandomTable(9));
  BeamSearch search({3, 3}, &scorer, nullptr);
  for (int frame = 0; frame < 2000; ++frame) {
    const float at = static_cast<float>(frame % 3);
    search.Frame(&at, frame);
    if (frame % 50 == 49) search.Start(nullptr);
  }
  CHECK(search.NBest(3).size() <= 3);
}

TEST_CASE("a phrase that is boosted wins, one broken off gives its boosts back") {
  // Symbols 1 2 and 1 3 are equally likely but for a little.
  std::map<std::pair<int, std::vector<int>>, std::vector<float>> table;
  table[{0, {}}] = {-5.0f, 3.0f, -5.0f, -5.0f};
  table[{0, {1}}] = {5.0f, -5.0f, -5.0f, -5.0f};
  table[{1, {1}}] = {-5.0f, -5.0f, 1.0f, 0.5f};
  table[{1, {1, 2}}] = table[{1, {1, 3}}] = {5.0f, -5.0f, -5.0f, -5.0f};
  const auto decode = [&](std::vector<BiasingPhrase> phrases, int beam) {
    TableScorer scorer(4, table);
    BeamSearch search({beam, 3}, &scorer, std::make_shared<BiasingGraph>(phrases));
    for (float frame : {0.0f, 1.0f}) search.Frame(&frame, static_cast<int64_t>(frame));
    return Symbols(search.Best());
  };
  CHECK(decode({}, 2) == std::vector<int>{1, 2});
  CHECK(decode({{{1, 3}, 2.0f}}, 2) == std::vector<int>{1, 3});
  CHECK(decode({{{1, 3}, 2.0f}}, 1) == std::vector<int>{1, 3});
  CHECK(decode({{{1, 3, 3}, 2.0f}}, 2) == std::vector<int>{1, 2});  // never complete
}

TEST_CASE("the biasing graph by hand") {
  const BiasingGraph graph({{{1, 2, 3}, 1.0f}, {{2, 4}, 2.0f}});
  auto step = graph.Advance(BiasingGraph::kStart, 1);
  CHECK(step.score == 1.0f);
  step = graph.Advance(step.state, 2);
  CHECK(step.score == 1.0f);
  CHECK(graph.Unfinished(step.state) == -2.0f);
  const auto complete = graph.Advance(step.state, 3);
  CHECK(complete.score == 1.0f);
  CHECK(graph.Unfinished(complete.state) == 0.0f);
  const auto other = graph.Advance(step.state, 4);  // 1 2 is given back, 2 4 is complete
  CHECK(other.score == doctest::Approx(-2.0f + 2.0f + 2.0f));
  CHECK(graph.Unfinished(other.state) == 0.0f);
  CHECK(graph.Advance(step.state, 9).score == -2.0f);
  CHECK(graph.Advance(complete.state, 9).score == 0.0f);
}

TEST_CASE("endpoint rules") {
  const EndpointRules rules{0.8, 0.2, 10.0};
  CHECK(DetectEndpoint(rules, -1.0, -1.0, 100.0, 100.0) == EndpointReason::kNone);
  CHECK(DetectEndpoint(rules, 1.0, 2.0, 2.7, 0.7) == EndpointReason::kNone);
  CHECK(DetectEndpoint(rules, 1.0, 2.0, 2.85, 0.8) == EndpointReason::kSilence);
  CHECK(DetectEndpoint(rules, 1.0, 2.0, 2.85, 0.1) == EndpointReason::kNone);    // somebody speaks
  CHECK(DetectEndpoint(rules, 1.0, 2.0, 3.6, 0.0) == EndpointReason::kSilence);  // or a fan
  CHECK(DetectEndpoint(rules, 1.0, 1.1, 2.0, 0.9) == EndpointReason::kNone);     // too short
  CHECK(DetectEndpoint(rules, 1.0, 10.9, 11.0, 0.0) == EndpointReason::kMaxLength);
  CHECK(DetectEndpoint({}, 1.0, 2.0, 100.0, 50.0) == EndpointReason::kNone);
}

}  // namespace sottovoce
