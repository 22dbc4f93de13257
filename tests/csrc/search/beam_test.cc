#include "search/beam.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <vector>

#include "search/endpoint.h"
#include "search/table_model.h"

namespace sottovoce {
namespace {

// All paths of a small lattice: log probability of every label sequence of at most `most` symbols a frame.
void Enumerate(const TableModel& model, int frames, int most, int frame, int emitted, const std::vector<int>& labels,
               double log_prob, std::map<std::vector<int>, double>& total) {
  if (frame == frames) {
    const auto found = total.find(labels);
    total[labels] = found == total.end() ? log_prob : std::log(std::exp(found->second) + std::exp(log_prob));
    return;
  }
  if (emitted == most) {
    Enumerate(model, frames, most, frame + 1, 0, labels, log_prob, total);
    return;
  }
  const std::vector<float> logits = model.Logits(frame, labels);
  double sum = 0.0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit));
  for (int v = 0; v < model.vocab_size; ++v) {
    const double next = log_prob + static_cast<double>(logits[static_cast<size_t>(v)]) - std::log(sum);
    std::vector<int> longer = labels;
    if (v > 0) longer.push_back(v);
    Enumerate(model, frames, most, v > 0 ? frame : frame + 1, v > 0 ? emitted + 1 : 0, longer, next, total);
  }
}

TableModel RandomModel(uint32_t seed) {
  TableModel model{3, {}};
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
      model.table[{frame, labels}] = logits;
    }
  }
  return model;
}

std::vector<int> Symbols(const std::vector<DecodedToken>& tokens) {
  std::vector<int> symbols;
  for (const DecodedToken& token : tokens) symbols.push_back(token.symbol);
  return symbols;
}

}  // namespace

TEST_CASE("a wide beam finds every label sequence with its whole probability") {
  for (uint32_t seed : {1u, 2u, 3u, 4u, 5u}) {
    const TableModel model = RandomModel(seed);
    std::map<std::vector<int>, double> total;
    Enumerate(model, 3, 2, 0, 0, {}, 0.0, total);
    BeamSearch search({3, 60, 2}, nullptr);
    TableDriver driver(model, search);
    for (int frame = 0; frame < 3; ++frame) driver.Frame(frame);
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

TEST_CASE("a language model's scores decide between label sequences") {
  constexpr float kScale = 0.7f, kBonus = 0.2f;
  int moved = 0;
  for (uint32_t seed : {21u, 22u, 23u, 24u, 25u, 26u}) {
    TableModel model = RandomModel(seed);
    std::map<std::vector<int>, double> total;
    Enumerate(model, 3, 2, 0, 0, {}, 0.0, total);
    for (const auto& [labels, log_prob] : total) {
      std::vector<float> scores = {0.0f};
      for (int v : {1, 2}) {
        seed = seed * 1664525u + 1013904223u;
        scores.push_back(static_cast<float>(v) * -static_cast<float>(seed >> 8) / 16777216.0f);
      }
      model.language[labels] = scores;
    }
    const auto language = [&](const std::vector<int>& labels) {
      double score = 0.0;
      for (size_t i = 0; i < labels.size(); ++i) {
        const std::vector<int> before(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(i));
        score += static_cast<double>(kScale * model.language.at(before)[static_cast<size_t>(labels[i])] + kBonus);
      }
      return score;
    };
    std::vector<int> best, best_alone;
    for (const auto& [labels, log_prob] : total) {
      if (best_alone.empty() || log_prob > total.at(best_alone)) best_alone = labels;
      if (best.empty() || log_prob + language(labels) > total.at(best) + language(best)) best = labels;
    }
    BeamSearch search({3, 60, 2, kScale, kBonus}, nullptr);
    TableDriver driver(model, search);
    for (int frame = 0; frame < 3; ++frame) driver.Frame(frame);
    const std::vector<Hypothesis> found = search.NBest(200);
    CHECK(Symbols(found[0].tokens) == best);
    for (const Hypothesis& hypothesis : found) {
      const std::vector<int> labels = Symbols(hypothesis.tokens);
      CHECK(hypothesis.score - hypothesis.log_prob == doctest::Approx(language(labels)).epsilon(1e-4));
    }
    moved += best != best_alone ? 1 : 0;
  }
  CHECK(moved > 0);
}

TEST_CASE("slots are never lost, and what a beam remembers does not grow with the utterances") {
  const TableModel model = RandomModel(9);
  BeamSearch search({3, 3, 3}, nullptr);
  TableDriver driver(model, search);
  for (int frame = 0; frame < 2000; ++frame) {
    driver.Frame(frame % 3, frame);
    if (frame % 50 != 49) continue;
    search.Start(nullptr);
    driver.Start();
  }
  CHECK(search.NBest(3).size() <= 3);
}

TEST_CASE("an endless utterance keeps its labels when dead hypotheses are dropped") {
  // At each frame comes 1, or a little less likely 2, then blank.
  const auto logits = [](bool emitted) {
    return emitted ? std::vector<float>{40.0f, 0.0f, 0.0f} : std::vector<float>{-40.0f, 2.0f, 1.5f};
  };
  BeamSearch search({3, 4, 3}, nullptr);
  constexpr int kFrames = 3000;
  for (int frame = 0; frame < kFrames; ++frame) {
    search.BeginFrame(frame);
    for (bool emitted = false; !search.wanted().empty(); emitted = true) {
      std::vector<float> rows;
      for (size_t i = 0; i < search.wanted().size(); ++i) {
        for (float x : logits(emitted)) rows.push_back(x);
      }
      search.Round(rows.data());
    }
  }
  const std::vector<DecodedToken> best = search.Best();
  CHECK(best.size() == kFrames);
  for (size_t i = 0; i < best.size(); ++i) {
    REQUIRE(best[i].symbol == 1);
    REQUIRE(best[i].frame == static_cast<int64_t>(i));
  }
  CHECK(search.last_symbol_frame() == kFrames - 1);
}

TEST_CASE("a phrase that is boosted wins, one broken off gives its boosts back") {
  // Symbols 1 2 and 1 3 are equally likely but for a little.
  TableModel model{4, {}};
  auto& table = model.table;
  table[{0, {}}] = {-5.0f, 3.0f, -5.0f, -5.0f};
  table[{0, {1}}] = {5.0f, -5.0f, -5.0f, -5.0f};
  table[{1, {1}}] = {-5.0f, -5.0f, 1.0f, 0.5f};
  table[{1, {1, 2}}] = table[{1, {1, 3}}] = {5.0f, -5.0f, -5.0f, -5.0f};
  const auto decode = [&](std::vector<BiasingPhrase> phrases, int beam) {
    BeamSearch search({4, beam, 3}, std::make_shared<BiasingGraph>(phrases));
    TableDriver driver(model, search);
    for (int frame : {0, 1}) driver.Frame(frame);
    return Symbols(search.Best());
  };
  CHECK(decode({}, 2) == std::vector<int>{1, 2});
  CHECK(decode({{{1, 3}, 2.0f}}, 2) == std::vector<int>{1, 3});
  CHECK(decode({{{1, 3}, 2.0f}}, 1) == std::vector<int>{1, 3});
  CHECK(decode({{{1, 3, 3}, 2.0f}}, 2) == std::vector<int>{1, 2});  // never complete
}

TEST_CASE("a phrase leaves hypotheses alone that it is no part of") {
  for (uint32_t seed : {11u, 12u, 13u}) {
    const TableModel model = RandomModel(seed);
    const auto decode = [&](const std::vector<BiasingPhrase>& phrases) {
      BeamSearch search({3, 40, 2}, std::make_shared<BiasingGraph>(phrases));
      TableDriver driver(model, search);
      for (int frame = 0; frame < 3; ++frame) driver.Frame(frame);
      std::map<std::vector<int>, Hypothesis> found;
      for (const Hypothesis& hypothesis : search.NBest(200)) found[Symbols(hypothesis.tokens)] = hypothesis;
      return found;
    };
    const auto plain = decode({}), biased = decode({{{1, 2}, 0.5f}});
    size_t raised = 0, alone = 0;
    for (const auto& [labels, hypothesis] : biased) {
      const auto other = plain.find(labels);
      if (other == plain.end()) continue;
      int times = 0;
      for (size_t i = 0; i + 1 < labels.size(); ++i) times += labels[i] == 1 && labels[i + 1] == 2 ? 1 : 0;
      // Every occurrence is worth its two symbols; a lone 1, or a 2 without it, nothing.
      CHECK(hypothesis.score - hypothesis.log_prob == doctest::Approx(times).epsilon(1e-5));
      ++(times > 0 ? raised : alone);
    }
    CHECK(raised > 3);
    CHECK(alone > 3);
  }
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
