#include "pipeline/stream_search.h"

#include <utility>

namespace sottovoce {
namespace {

class GreedyScorer final : public TransducerScorer {
 public:
  explicit GreedyScorer(const Transducer& model) : model_(model) { Start(); }

  void Start() { model_.StartLabels(labels_); }
  int vocab_size() const override { return model_.config().vocab_size; }
  const float* Logits(const float* frame) override { return model_.Join(frame, labels_); }
  void Append(int symbol) override { model_.AppendLabel(symbol, labels_); }

 private:
  const Transducer& model_;
  LabelState labels_;
};

class SlotScorer final : public BeamScorer {
 public:
  explicit SlotScorer(const Transducer& model) : model_(model) {}

  int vocab_size() const override { return model_.config().vocab_size; }
  void Reserve(int num_slots) override {
    slots_.resize(static_cast<size_t>(num_slots));
    for (LabelState& slot : slots_) model_.StartLabels(slot);
  }
  void Start(int slot) override { model_.StartLabels(at(slot)); }
  void Append(int from, int symbol, int to) override {
    at(to) = at(from);  // vectors of equal sizes: nothing is allocated
    model_.AppendLabel(symbol, at(to));
  }
  const float* Logits(int slot, const float* frame) override { return model_.Join(frame, at(slot)); }

 private:
  LabelState& at(int slot) { return slots_[static_cast<size_t>(slot)]; }

  const Transducer& model_;
  std::vector<LabelState> slots_;
};

}  // namespace

struct StreamSearch::Greedy {
  explicit Greedy(const Transducer& model) : scorer(model) { tokens.reserve(256); }
  GreedyScorer scorer;
  std::vector<DecodedToken> tokens;
};

struct StreamSearch::Beam {
  Beam(const Transducer& model, int beam_size, std::shared_ptr<const BiasingGraph> biasing)
      : scorer(model), search({beam_size, 3}, &scorer, std::move(biasing)) {}
  SlotScorer scorer;
  BeamSearch search;
  std::vector<DecodedToken> tokens;
};

StreamSearch::StreamSearch(const Transducer& model, int beam_size, std::shared_ptr<const BiasingGraph> biasing)
    : model_(model), beam_size_(beam_size) {
  Start(std::move(biasing));
}

StreamSearch::~StreamSearch() = default;

void StreamSearch::Start(std::shared_ptr<const BiasingGraph> biasing) {
  if (beam_ == nullptr && (beam_size_ > 1 || biasing != nullptr)) {
    greedy_.reset();
    beam_ = std::make_unique<Beam>(model_, beam_size_, std::move(biasing));
  } else if (beam_ != nullptr) {
    beam_->search.Start(std::move(biasing));
    beam_->tokens.clear();
  } else if (greedy_ == nullptr) {
    greedy_ = std::make_unique<Greedy>(model_);
  } else {
    greedy_->scorer.Start();
    greedy_->tokens.clear();
  }
}

void StreamSearch::Frame(const float* projected, int64_t frame_index) {
  if (greedy_ != nullptr) {
    GreedyFrame(projected, frame_index, {}, greedy_->scorer, greedy_->tokens);
  } else {
    beam_->search.Frame(projected, frame_index);
    beam_->tokens = beam_->search.Best();
  }
}

const std::vector<DecodedToken>& StreamSearch::tokens() const {
  return greedy_ != nullptr ? greedy_->tokens : beam_->tokens;
}

std::vector<Hypothesis> StreamSearch::NBest(int count) const {
  if (beam_ != nullptr) return beam_->search.NBest(count);
  Hypothesis only;
  only.tokens = greedy_->tokens;
  for (const DecodedToken& token : only.tokens) only.log_prob += static_cast<double>(token.log_prob);
  only.score = only.log_prob;
  if (count < 1) return {};
  return {std::move(only)};
}

}  // namespace sottovoce
