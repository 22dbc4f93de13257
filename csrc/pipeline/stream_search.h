// The search of one stream, greedy or with a beam, with the label histories it needs; and the search of several at
// once.
#pragma once

#include <memory>
#include <vector>

#include "models/transducer.h"
#include "search/beam.h"
#include "search/greedy.h"

namespace sottovoce {

struct StreamFrame;

class StreamSearch {
 public:
  // beam_size 1 without phrases is greedy search. biasing may be null. lm_scale and lm_bonus: of
  // BeamOptions; a scale of 0, and a beam of 1, do without the language model.
  StreamSearch(const Transducer& model, int beam_size, float lm_scale, float lm_bonus,
               std::shared_ptr<const BiasingGraph> biasing, LabelWorkspace& workspace);

  // Forgets all labels; from now on with these phrases.
  void Start(std::shared_ptr<const BiasingGraph> biasing, LabelWorkspace& workspace);

  // The most label histories that a round looks at.
  int beam_size() const { return beam_size_; }

  // Of the best hypothesis; valid until the next call.
  const std::vector<DecodedToken>& tokens() const;
  // Best first; greedy search knows one.
  std::vector<Hypothesis> NBest(int count) const;

  // Of the label histories.
  size_t bytes() const;

 private:
  friend void SearchFrames(const Transducer&, const StreamFrame*, size_t, LabelWorkspace&);
  // At most as many rows as a product has.
  static void SearchGroup(const Transducer& model, const StreamFrame* frames, size_t count, LabelWorkspace& workspace);
  // temporary: histories of the slots beyond the lasting ones.
  LabelCache& slot(int index, LabelCache* temporary) {
    const size_t lasting = slots_.size(), at = static_cast<size_t>(index);
    return at < lasting ? slots_[at] : temporary[at - lasting];
  }
  size_t num_temporary() const { return static_cast<size_t>(search().num_slots()) - slots_.size(); }
  FrameSearch& search() const { return beam_ != nullptr ? static_cast<FrameSearch&>(*beam_) : *greedy_; }

  const Transducer& model_;
  int beam_size_;
  float lm_scale_, lm_bonus_;
  std::unique_ptr<GreedySearch> greedy_;
  std::unique_ptr<BeamSearch> beam_;
  std::vector<LabelCache> slots_;
  mutable std::vector<DecodedToken> best_;  // of the beam, if not stale
  mutable bool stale_ = true;
};

// One encoder frame of a stream.
struct StreamFrame {
  StreamSearch* search;
  const float* projected;  // (joiner_dim) from Transducer::ProjectEncoded()
  int64_t frame_index;
};

// Searches a frame of each of several streams, which share every product: each finds, bit for bit, what it finds alone.
// workspace: reserved for LabelRows() of the streams.
void SearchFrames(const Transducer& model, const StreamFrame* frames, size_t count, LabelWorkspace& workspace);

// The rows that a product of SearchFrames() has at most, for streams whose beam sizes sum to that.
int LabelRows(int beam_sizes);

}  // namespace sottovoce
