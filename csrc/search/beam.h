// Modified beam search over a transducer: at each frame every hypothesis may emit a few symbols, hypotheses of equal
// labels are merged, the best are kept. With biasing phrases (search/biasing.h) if wanted.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "search/biasing.h"
#include "search/frame_search.h"

namespace sottovoce {

struct BeamOptions {
  int vocab_size = 0;
  int beam_size = 4;
  int max_symbols_per_frame = 3;
  // Of the language model's log probabilities, and what every symbol gets where it takes part.
  float lm_scale = 0.0f;
  float lm_bonus = 0.0f;
};

struct Hypothesis {
  std::vector<DecodedToken> tokens;
  double log_prob = 0.0;  // of all alignments found of these labels, without boosts
  double score = 0.0;     // with boosts and the language model
};

class BeamSearch final : public FrameSearch {
 public:
  // biasing: null for none.
  BeamSearch(const BeamOptions& options, std::shared_ptr<const BiasingGraph> biasing);

  // Forgets all hypotheses; from now on with these phrases.
  void Start(std::shared_ptr<const BiasingGraph> biasing);

  // Each round of a frame may hold a beam of open hypotheses, one of closed ones and one that is being made.
  int num_slots() const override { return 3 * options_.beam_size; }
  int num_lasting_slots() const override { return options_.beam_size; }
  void BeginFrame(int64_t frame_index) override;
  // Every open hypothesis closes by blank and proposes its likeliest symbols; the best of these stay open.
  void Round(const float* logits, const float* const* language_scores = nullptr) override;

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
    float boosts = 0.0f;  // of phrases and the language model
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

  void Propose(size_t from, const float* logits, const float* language_scores);
  void Emit();
  void WantOpen();
  void DropDeadNodes();
  void MoveToLastingSlots();
  void Close(const Entry& entry, double log_prob);
  void Prune();
  size_t BestEntry() const;
  std::vector<DecodedToken> Trace(int node) const;
  int TakeSlot();

  BeamOptions options_;
  std::shared_ptr<const BiasingGraph> biasing_;
  std::vector<Entry> open_, closed_, next_;
  std::vector<Candidate> candidates_;
  std::vector<Node> nodes_;
  std::vector<int> free_slots_, released_;  // released in this round: still read from until it ends
  std::vector<int> moved_;                  // scratch of DropDeadNodes() and MoveToLastingSlots()
  size_t many_nodes_ = 0;                   // when to drop the dead ones
  int64_t frame_index_ = 0;
  int round_ = 0;  // of this frame
};

}  // namespace sottovoce
