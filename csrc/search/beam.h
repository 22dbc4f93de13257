// Modified beam search over a transducer: at each frame every hypothesis may emit a few symbols, hypotheses of equal
// labels are merged, the best are kept. With biasing phrases (search/biasing.h) if wanted.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "search/beam_scorer.h"
#include "search/biasing.h"
#include "search/greedy.h"

namespace sottovoce {

struct BeamOptions {
  int beam_size = 4;
  int max_symbols_per_frame = 3;
};

struct Hypothesis {
  std::vector<DecodedToken> tokens;
  double log_prob = 0.0;  // of all alignments found of these labels, without boosts
  double score = 0.0;     // with boosts
};

class BeamSearch {
 public:
  // The scorer serves this search alone. biasing: null for none.
  BeamSearch(const BeamOptions& options, BeamScorer* scorer, std::shared_ptr<const BiasingGraph> biasing);

  // Forgets all hypotheses; from now on with these phrases.
  void Start(std::shared_ptr<const BiasingGraph> biasing);

  void Frame(const float* frame, int64_t frame_index);

  // The likeliest labels so far.
  std::vector<DecodedToken> Best() const;
  // Up to `count` of them, best first; what a broken-off phrase got is given back.
  std::vector<Hypothesis> NBest(int count) const;
  // The frame of the last symbol of the best hypothesis, -1 before the first.
  int64_t last_symbol_frame() const;

 private:
  struct Entry {
    int slot = 0;
    int last = -1;        // node of its last symbol, -1: none
    uint64_t labels = 0;  // hash of the labels
    double log_prob = 0.0;
    float boosts = 0.0f;
    int biasing_state = BiasingGraph::kStart;
    double score() const { return log_prob + static_cast<double>(boosts); }
  };
  // A symbol of some hypothesis; they form trees.
  struct Node {
    DecodedToken token;
    int previous;
  };
  struct Candidate {
    size_t from;  // in open_
    int symbol;
    float log_prob;
    float boost;
    int biasing_state;
    double score;
  };

  void Expand(const float* frame, int64_t frame_index, bool last_round);
  void Propose(size_t from, const float* logits);
  void Emit(int64_t frame_index);
  void Close(const Entry& entry, double log_prob);
  void Prune();
  size_t BestEntry() const;
  std::vector<DecodedToken> Trace(int node) const;
  int TakeSlot();

  BeamOptions options_;
  BeamScorer* scorer_;
  std::shared_ptr<const BiasingGraph> biasing_;
  std::vector<Entry> open_, closed_, next_;
  std::vector<Candidate> candidates_;
  std::vector<Node> nodes_;
  std::vector<int> free_slots_, released_;  // released in this round: still read from until it ends
};

}  // namespace sottovoce
