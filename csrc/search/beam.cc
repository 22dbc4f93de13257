#include "search/beam.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sottovoce {
namespace {

constexpr size_t kManyNodes = 4096;

double LogAdd(double a, double b) {
  const double high = std::max(a, b);
  return high + std::log1p(std::exp(std::min(a, b) - high));
}

// log of the sum of exp(x).
float LogSumExp(const float* x, int count) {
  const float high = *std::max_element(x, x + count);
  float sum = 0.0f;
  for (int i = 0; i < count; ++i) sum += std::exp(x[i] - high);
  return high + std::log(sum);
}

uint64_t Extend(uint64_t labels, int symbol) {
  return (labels ^ static_cast<uint64_t>(symbol + 1)) * 0x9E3779B97F4A7C15u + 0x632BE59BD9B4E019u;
}

}  // namespace

BeamSearch::BeamSearch(const BeamOptions& options, std::shared_ptr<const BiasingGraph> biasing) : options_(options) {
  const int beam = options_.beam_size;
  const size_t room = static_cast<size_t>(num_slots());
  for (std::vector<Entry>* entries : {&open_, &closed_, &next_}) entries->reserve(room);
  candidates_.reserve(static_cast<size_t>(beam) * static_cast<size_t>(beam + 1));
  free_slots_.reserve(room);
  released_.reserve(room);
  wanted_.reserve(static_cast<size_t>(beam));
  extensions_.reserve(2 * static_cast<size_t>(beam));
  moved_.reserve(room);
  Start(std::move(biasing));
}

void BeamSearch::Start(std::shared_ptr<const BiasingGraph> biasing) {
  biasing_ = std::move(biasing);
  nodes_.clear();
  many_nodes_ = kManyNodes;
  free_slots_.clear();
  released_.clear();
  for (int slot = num_slots() - 1; slot > 0; --slot) free_slots_.push_back(slot);
  closed_.assign(1, Entry());
}

int BeamSearch::TakeSlot() {
  const int slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void BeamSearch::BeginFrame(int64_t frame_index) {
  frame_index_ = frame_index;
  round_ = 0;
  open_.swap(closed_);
  closed_.clear();
  if (nodes_.size() > many_nodes_) DropDeadNodes();
  WantOpen();
}

// Of an endless utterance only the symbols that an open hypothesis goes back to are kept. A node comes after its
// previous one, before and after.
void BeamSearch::DropDeadNodes() {
  moved_.assign(nodes_.size(), -1);
  for (const Entry& entry : open_) {
    for (int node = entry.last; node >= 0 && moved_[static_cast<size_t>(node)] < 0;
         node = nodes_[static_cast<size_t>(node)].previous) {
      moved_[static_cast<size_t>(node)] = 0;
    }
  }
  size_t alive = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (moved_[i] < 0) continue;
    moved_[i] = static_cast<int>(alive);
    Node node = nodes_[i];
    if (node.previous >= 0) node.previous = moved_[static_cast<size_t>(node.previous)];
    nodes_[alive++] = node;
  }
  nodes_.resize(alive, Node{{}, -1});
  for (Entry& entry : open_) {
    if (entry.last >= 0) entry.last = moved_[static_cast<size_t>(entry.last)];
  }
  many_nodes_ = std::max(kManyNodes, 2 * alive);
}

void BeamSearch::WantOpen() {
  wanted_.clear();
  for (const Entry& entry : open_) wanted_.push_back(entry.slot);
}

void BeamSearch::Round(const float* logits, const float* const* language_scores) {
  candidates_.clear();
  for (size_t i = 0; i < open_.size(); ++i) {
    Propose(i, logits + i * static_cast<size_t>(options_.vocab_size),
            language_scores == nullptr ? nullptr : language_scores[i]);
  }
  // A proposal below what is closed already could not win any more: blanks are still to come for it.
  const size_t beam = static_cast<size_t>(options_.beam_size);
  if (closed_.size() >= beam) {
    std::vector<Entry>& closed = closed_;
    std::nth_element(closed.begin(), closed.begin() + static_cast<std::ptrdiff_t>(beam) - 1, closed.end(),
                     [](const Entry& a, const Entry& b) { return a.score() > b.score(); });
    const double least = closed[beam - 1].score();
    candidates_.erase(std::remove_if(candidates_.begin(), candidates_.end(),
                                     [least](const Candidate& c) { return c.score <= least; }),
                      candidates_.end());
  }
  const auto better = [this](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return open_[a.from].labels != open_[b.from].labels ? open_[a.from].labels < open_[b.from].labels
                                                        : a.symbol < b.symbol;
  };
  if (candidates_.size() > beam) {
    std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(beam), candidates_.end(),
                      better);
    candidates_.resize(beam);
  } else {
    std::sort(candidates_.begin(), candidates_.end(), better);
  }
  Emit();
  if (++round_ == options_.max_symbols_per_frame) {
    for (const Entry& entry : open_) Close(entry, entry.log_prob);  // as greedy search: on to the next frame
    open_.clear();
  }
  free_slots_.insert(free_slots_.end(), released_.begin(), released_.end());
  released_.clear();
  Prune();
  if (open_.empty()) MoveToLastingSlots();
  WantOpen();
}

// Ends a frame: at most a beam of hypotheses is left, which fits.
void BeamSearch::MoveToLastingSlots() {
  moved_.assign(static_cast<size_t>(num_slots()), 0);  // whether a slot is taken
  for (const Entry& entry : closed_) moved_[static_cast<size_t>(entry.slot)] = 1;
  int next = 0;
  for (Entry& entry : closed_) {
    if (entry.slot < num_lasting_slots()) continue;
    while (moved_[static_cast<size_t>(next)] != 0) ++next;
    extensions_.push_back({entry.slot, 0, next});
    moved_[static_cast<size_t>(entry.slot)] = 0;
    entry.slot = next++;
  }
  for (const Entry& entry : closed_) moved_[static_cast<size_t>(entry.slot)] = 1;
  free_slots_.clear();
  for (int slot = num_slots() - 1; slot >= 0; --slot) {
    if (moved_[static_cast<size_t>(slot)] == 0) free_slots_.push_back(slot);  // the lasting ones are taken first
  }
}

void BeamSearch::Propose(size_t from, const float* logits, const float* language_scores) {
  const Entry& entry = open_[from];
  const int vocab = options_.vocab_size;
  const float total = LogSumExp(logits, vocab);
  Close(entry, entry.log_prob + static_cast<double>(logits[0] - total));
  const size_t beam = static_cast<size_t>(options_.beam_size);
  const size_t begin = candidates_.size();
  const auto worse = [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.symbol < b.symbol;
  };
  for (int symbol = 1; symbol < vocab; ++symbol) {
    const float log_prob = logits[symbol] - total;
    BiasingGraph::Step step{BiasingGraph::kStart, 0.0f};
    if (biasing_ != nullptr) step = biasing_->Advance(entry.biasing_state, symbol);
    if (language_scores != nullptr) {
      step.score += options_.lm_scale * language_scores[symbol] + options_.lm_bonus;
    }
    const double score = entry.score() + static_cast<double>(log_prob + step.score);
    // A heap of the beam's likeliest, the least of them in front.
    if (candidates_.size() - begin == beam) {
      if (score <= candidates_[begin].score) continue;
      std::pop_heap(candidates_.begin() + static_cast<std::ptrdiff_t>(begin), candidates_.end(), worse);
      candidates_.pop_back();
    }
    candidates_.push_back({from, symbol, log_prob, step.score, step.state, score});
    std::push_heap(candidates_.begin() + static_cast<std::ptrdiff_t>(begin), candidates_.end(), worse);
  }
}

// Candidates become the open hypotheses.
void BeamSearch::Emit() {
  next_.clear();
  extensions_.clear();
  for (const Candidate& candidate : candidates_) {
    const Entry& from = open_[candidate.from];
    const uint64_t labels = Extend(from.labels, candidate.symbol);
    const double log_prob = from.log_prob + static_cast<double>(candidate.log_prob);
    const auto same = std::find_if(next_.begin(), next_.end(), [&](const Entry& e) { return e.labels == labels; });
    if (same != next_.end()) {
      same->log_prob = LogAdd(same->log_prob, log_prob);
      continue;
    }
    Entry entry;
    entry.slot = TakeSlot();
    extensions_.push_back({from.slot, candidate.symbol, entry.slot});
    entry.last = static_cast<int>(nodes_.size());
    nodes_.push_back({{candidate.symbol, frame_index_, candidate.log_prob}, from.last});
    entry.labels = labels;
    entry.log_prob = log_prob;
    entry.boosts = from.boosts + candidate.boost;
    entry.biasing_state = candidate.biasing_state;
    next_.push_back(entry);
  }
  open_.swap(next_);  // the old ones live on among the closed
}

// Ends a hypothesis' frame. One of equal labels takes the probability of both.
void BeamSearch::Close(const Entry& entry, double log_prob) {
  for (Entry& other : closed_) {
    if (other.labels != entry.labels) continue;
    if (log_prob > other.log_prob) other.last = entry.last;  // the times of the likelier alignment
    other.log_prob = LogAdd(other.log_prob, log_prob);
    released_.push_back(entry.slot);
    return;
  }
  closed_.push_back(entry);
  closed_.back().log_prob = log_prob;
}

void BeamSearch::Prune() {
  const size_t beam = static_cast<size_t>(options_.beam_size);
  std::sort(closed_.begin(), closed_.end(), [](const Entry& a, const Entry& b) {
    return a.score() != b.score() ? a.score() > b.score() : a.labels < b.labels;
  });
  while (closed_.size() > beam) {
    free_slots_.push_back(closed_.back().slot);
    closed_.pop_back();
  }
}

size_t BeamSearch::BestEntry() const {
  size_t best = 0;
  double score = 0.0;
  for (size_t i = 0; i < closed_.size(); ++i) {
    const Entry& entry = closed_[i];
    const double unfinished =
        biasing_ != nullptr ? static_cast<double>(biasing_->Unfinished(entry.biasing_state)) : 0.0;
    const double value = entry.score() + unfinished;
    if (i == 0 || value > score) {
      best = i;
      score = value;
    }
  }
  return best;
}

std::vector<DecodedToken> BeamSearch::Trace(int node) const {
  std::vector<DecodedToken> tokens;
  for (; node >= 0; node = nodes_[static_cast<size_t>(node)].previous) {
    tokens.push_back(nodes_[static_cast<size_t>(node)].token);
  }
  std::reverse(tokens.begin(), tokens.end());
  return tokens;
}

std::vector<DecodedToken> BeamSearch::Best() const {
  return Trace(closed_[BestEntry()].last);
}

int64_t BeamSearch::last_symbol_frame() const {
  const int node = closed_[BestEntry()].last;
  return node < 0 ? -1 : nodes_[static_cast<size_t>(node)].token.frame;
}

std::vector<Hypothesis> BeamSearch::NBest(int count) const {
  std::vector<Hypothesis> found;
  for (const Entry& entry : closed_) {
    Hypothesis hypothesis;
    hypothesis.tokens = Trace(entry.last);
    hypothesis.log_prob = entry.log_prob;
    hypothesis.score = entry.score();
    if (biasing_ != nullptr) hypothesis.score += static_cast<double>(biasing_->Unfinished(entry.biasing_state));
    found.push_back(std::move(hypothesis));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  if (found.size() > static_cast<size_t>(std::max(count, 0))) found.resize(static_cast<size_t>(std::max(count, 0)));
  return found;
}

}  // namespace sottovoce
