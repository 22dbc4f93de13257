#include "pipeline/stream_search.h"

#include <algorithm>
#include <utility>

namespace sottovoce {
namespace {

constexpr int kMaxRows = 64;  // of one product; no smaller than the widest beam
constexpr int kSymbolsPerFrame = 3;

}  // namespace

int LabelRows(int beam_sizes) {
  return std::min(beam_sizes, kMaxRows);
}

StreamSearch::StreamSearch(const Transducer& model, int beam_size, float lm_scale, float lm_bonus,
                           std::shared_ptr<const BiasingGraph> biasing, LabelWorkspace& workspace)
    : model_(model), beam_size_(beam_size), lm_scale_(lm_scale), lm_bonus_(lm_bonus) {
  Start(std::move(biasing), workspace);
}

void StreamSearch::Start(std::shared_ptr<const BiasingGraph> biasing, LabelWorkspace& workspace) {
  const int vocab_size = model_.config().vocab_size;
  if (beam_ == nullptr && (beam_size_ > 1 || biasing != nullptr)) {
    greedy_.reset();
    beam_ = std::make_unique<BeamSearch>(BeamOptions{vocab_size, beam_size_, kSymbolsPerFrame, lm_scale_, lm_bonus_},
                                         std::move(biasing));
  } else if (beam_ != nullptr) {
    beam_->Start(std::move(biasing));
  } else if (greedy_ == nullptr) {
    greedy_ = std::make_unique<GreedySearch>(GreedyOptions{vocab_size});
  } else {
    greedy_->Start();
  }
  const size_t num_slots = static_cast<size_t>(search().num_lasting_slots());
  if (slots_.empty()) slots_.resize(1);
  model_.StartLabels(slots_[0], workspace, beam_size_ > 1 && lm_scale_ != 0.0f);
  if (slots_.size() < num_slots) slots_.resize(num_slots, slots_[0]);
  stale_ = true;
}

const std::vector<DecodedToken>& StreamSearch::tokens() const {
  if (greedy_ != nullptr) return greedy_->tokens();
  if (stale_) best_ = beam_->Best();
  stale_ = false;
  return best_;
}

std::vector<Hypothesis> StreamSearch::NBest(int count) const {
  if (beam_ != nullptr) return beam_->NBest(count);
  Hypothesis only;
  only.tokens = greedy_->tokens();
  for (const DecodedToken& token : only.tokens) only.log_prob += static_cast<double>(token.log_prob);
  only.score = only.log_prob;
  if (count < 1) return {};
  return {std::move(only)};
}

size_t StreamSearch::bytes() const {
  size_t bytes = 0;
  for (const LabelCache& slot : slots_) bytes += slot.bytes();
  return bytes;
}

void SearchFrames(const Transducer& model, const StreamFrame* frames, size_t count, LabelWorkspace& workspace) {
  for (size_t begin = 0, end = 0; begin < count; begin = end) {
    int rows = 0;
    while (end < count && rows + frames[end].search->beam_size() <= kMaxRows) rows += frames[end++].search->beam_size();
    StreamSearch::SearchGroup(model, frames + begin, end - begin, workspace);
  }
}

void StreamSearch::SearchGroup(const Transducer& model, const StreamFrame* frames, size_t count,
                               LabelWorkspace& workspace) {
  const size_t vocab_size = static_cast<size_t>(model.config().vocab_size);
  size_t num_temporary = 0;
  for (size_t f = 0; f < count; ++f) {
    frames[f].search->search().BeginFrame(frames[f].frame_index);
    frames[f].search->stale_ = true;
    num_temporary += frames[f].search->num_temporary();
  }
  if (workspace.histories.size() < num_temporary) workspace.histories.resize(num_temporary);
  for (;;) {
    JoinRow joins[kMaxRows];
    const float* language_scores[kMaxRows];
    int num_joins = 0;
    LabelCache* temporary = workspace.histories.data();
    for (size_t f = 0; f < count; ++f) {
      StreamSearch& stream = *frames[f].search;
      for (int slot : stream.search().wanted()) {
        const LabelCache& cache = stream.slot(slot, temporary);
        language_scores[num_joins] = cache.language_scores.empty() ? nullptr : cache.language_scores.data();
        joins[num_joins++] = {&cache, frames[f].projected};
      }
      temporary += stream.num_temporary();
    }
    if (num_joins == 0) return;
    const float* logits = model.JoinRows(joins, num_joins, workspace);

    LabelRow labels[kMaxRows];
    struct Copy {
      const LabelCache* from;
      LabelCache* to;
    } copies[kMaxRows];
    int num_labels = 0, num_copies = 0, row = 0;
    temporary = workspace.histories.data();
    for (size_t f = 0; f < count; ++f) {
      StreamSearch& stream = *frames[f].search;
      const size_t rows = stream.search().wanted().size();
      if (rows > 0) {
        stream.search().Round(logits + static_cast<size_t>(row) * vocab_size, language_scores + row);
        row += static_cast<int>(rows);
        for (const Extension& e : stream.search().extensions()) {
          LabelCache& to = stream.slot(e.to, temporary);
          if (e.symbol == Transducer::kBlank) {
            copies[num_copies++] = {&stream.slot(e.from, temporary), &to};
            continue;
          }
          if (e.to != e.from) to = stream.slot(e.from, temporary);  // of equal sizes: allocates at most once
          labels[num_labels++] = {&to, e.symbol};
        }
      }
      temporary += stream.num_temporary();
    }
    if (num_labels > 0) model.AppendLabels(labels, num_labels, workspace);
    for (int c = 0; c < num_copies; ++c) *copies[c].to = *copies[c].from;
  }
}

}  // namespace sottovoce
