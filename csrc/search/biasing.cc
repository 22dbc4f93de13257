#include "search/biasing.h"

#include <algorithm>

namespace sottovoce {

BiasingGraph::BiasingGraph(const std::vector<BiasingPhrase>& phrases) : nodes_(1) {
  for (const BiasingPhrase& phrase : phrases) {
    int state = kStart;
    for (int symbol : phrase.symbols) {
      int next = Child(state, symbol);
      if (next < 0) {
        next = static_cast<int>(nodes_.size());
        nodes_.emplace_back();
        auto& children = nodes_[static_cast<size_t>(state)].children;
        const std::pair<int, int> entry(symbol, next);
        children.insert(std::lower_bound(children.begin(), children.end(), entry), entry);
      }
      // Phrases that share a beginning: the most eager one counts.
      Node& node = nodes_[static_cast<size_t>(next)];
      node.boost = std::max(node.boost, phrase.boost);
      state = next;
    }
    if (state != kStart) nodes_[static_cast<size_t>(state)].complete = true;
  }
  // Breadth first: the failure state of a node is known before those of its children.
  std::vector<int> queue = {kStart};
  for (size_t i = 0; i < queue.size(); ++i) {
    const int state = queue[i];
    for (const auto& [symbol, next] : nodes_[static_cast<size_t>(state)].children) {
      Node& node = nodes_[static_cast<size_t>(next)];
      int fail = nodes_[static_cast<size_t>(state)].fail;
      if (state != kStart) {
        while (fail != kStart && Child(fail, symbol) < 0) fail = nodes_[static_cast<size_t>(fail)].fail;
        const int target = Child(fail, symbol);
        node.fail = target >= 0 ? target : kStart;
      }
      node.pending = node.complete ? 0.0f : nodes_[static_cast<size_t>(state)].pending + node.boost;
      queue.push_back(next);
    }
  }
}

int BiasingGraph::Child(int state, int symbol) const {
  const auto& children = nodes_[static_cast<size_t>(state)].children;
  const auto found = std::lower_bound(children.begin(), children.end(), std::pair<int, int>(symbol, 0));
  return found != children.end() && found->first == symbol ? found->second : -1;
}

BiasingGraph::Step BiasingGraph::Advance(int state, int symbol) const {
  const int direct = Child(state, symbol);
  if (direct >= 0) return {direct, nodes_[static_cast<size_t>(direct)].boost};
  // The match is broken off. A shorter one, whose boosts were never given for themselves, may go on.
  const float given_back = nodes_[static_cast<size_t>(state)].pending;
  int from = state;
  while (from != kStart) {
    from = nodes_[static_cast<size_t>(from)].fail;
    const int next = Child(from, symbol);
    if (next >= 0) {
      const Node& node = nodes_[static_cast<size_t>(next)];
      const float earlier = nodes_[static_cast<size_t>(from)].pending;
      return {next, earlier + node.boost - given_back};
    }
  }
  return {kStart, -given_back};
}

}  // namespace sottovoce
