// Contextual biasing: a list of phrases that are likelier than the model thinks, as an Aho-Corasick automaton over
// symbols.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sottovoce {

struct BiasingPhrase {
  std::vector<int> symbols;
  float boost = 0.0f;  // added to the log probability of every symbol of the phrase
};

// Immutable. A search walks it with one integer a hypothesis.
class BiasingGraph {
 public:
  static constexpr int kStart = 0;

  explicit BiasingGraph(const std::vector<BiasingPhrase>& phrases);

  struct Step {
    int state;
    float score;  // what the symbol is worth: a phrase broken off gives back what it got, a complete one keeps it
  };
  Step Advance(int state, int symbol) const;

  // What a hypothesis that ends at `state` has to give back.
  float Unfinished(int state) const { return -nodes_[static_cast<size_t>(state)].pending; }

 private:
  struct Node {
    std::vector<std::pair<int, int>> children;  // (symbol, node), sorted
    int fail = kStart;
    float pending = 0.0f;  // boosts on the way here that are not earned yet
    float boost = 0.0f;    // of the step to this node
    bool complete = false;
  };
  int Child(int state, int symbol) const;

  std::vector<Node> nodes_;
};

}  // namespace sottovoce
