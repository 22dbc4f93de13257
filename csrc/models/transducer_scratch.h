// Scratch of a transducer's calls, lent for as long as a call lasts, so that a stream costs its caches alone.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "models/transducer_encoder.h"

namespace sottovoce {

// What the predictor remembers of the labels so far: all that a further hypothesis costs.
struct LabelCache {
  std::vector<CausalLayerState> layers;
  std::vector<float> projected;  // (joiner_dim), what the joiner sees of the labels
  // Of the language model; empty where none takes part.
  std::vector<CausalLayerState> language_layers;
  std::vector<float> language_scores;  // (vocab_size), of each symbol after these labels; 0 for blank

  size_t bytes() const {
    size_t bytes = (projected.size() + language_scores.size()) * sizeof(float);
    for (const CausalLayerState& layer : layers) bytes += layer.bytes();
    for (const CausalLayerState& layer : language_layers) bytes += layer.bytes();
    return bytes;
  }
};

// A label that one of several histories gets.
struct LabelRow {
  LabelCache* cache;
  int label;  // [0, vocab_size)
};

// A frame that one of several histories sees.
struct JoinRow {
  const LabelCache* cache;
  const float* projected_frame;  // (joiner_dim) from Transducer::ProjectEncoded()
};

// A label of one network.
struct NetworkRow {
  std::vector<CausalLayerState>* layers;
  int label;
};

// Scratch of predictor, joiner and language model; one for any number of caches that are not computed at the same
// moment.
struct LabelWorkspace : CausalWorkspace {
  std::vector<float> embedding;          // (rows, embedding_dim)
  std::vector<float> label_hidden;       // (rows, model_dim)
  std::vector<float> projected_rows;     // (rows, joiner_dim)
  std::vector<float> joined;             // (rows, joiner_dim)
  std::vector<float> logits;             // (rows, vocab_size)
  std::vector<LayerRows> layer_rows;     // (rows)
  std::vector<NetworkRow> network_rows;  // (rows)
  std::vector<LabelRow> language_rows;   // (rows), those that the language model takes part in
  std::vector<JoinRow> join_rows;        // (rows), the same ones
  std::vector<LabelCache> histories;     // for callers: of hypotheses that do not outlive a call

  static void Grow(std::vector<float>& buffer, int rows, int cols) {
    const size_t size = static_cast<size_t>(rows) * static_cast<size_t>(cols);
    if (buffer.size() < size) buffer.resize(size);
  }
  template <typename Row>
  static void GrowRows(std::vector<Row>& rows, int count) {
    if (rows.size() < static_cast<size_t>(count)) rows.resize(static_cast<size_t>(count));
  }
};

// Room for calls of TransducerEncoder::max_frames() feature frames, of some streams together, and what search makes of
// them, some label histories at a time.
struct TransducerScratch {
  int num_streams = 0;
  int label_rows = 0;
  EncoderWorkspace encoder;
  LabelWorkspace labels;
  std::vector<float> features;   // (max_frames, num_mels), for callers: of all streams of the call
  std::vector<float> encoded;    // (max_outputs, encoder_dim)
  std::vector<float> projected;  // (max_outputs, joiner_dim)
};

// The scratch that nobody uses now. Any number of threads.
class ScratchPool {
 public:
  std::unique_ptr<TransducerScratch> Take() {  // null: there is none
    std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return nullptr;
    auto scratch = std::move(free_.back());
    free_.pop_back();
    return scratch;
  }
  void Give(std::unique_ptr<TransducerScratch> scratch) {
    std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(scratch));
  }
  // One more will come: Give must not allocate then.
  void Expect() {
    std::lock_guard<std::mutex> lock(mutex_);
    free_.reserve(++total_);
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<TransducerScratch>> free_;
  size_t total_ = 0;
};

// Gives its scratch back at the end of its life; must not outlive the model.
class ScratchLease {
 public:
  ScratchLease(ScratchPool* pool, std::unique_ptr<TransducerScratch> scratch)
      : pool_(pool), scratch_(std::move(scratch)) {}
  ScratchLease(ScratchLease&&) = default;
  ScratchLease& operator=(ScratchLease&&) = delete;
  ~ScratchLease() {
    if (scratch_ != nullptr) pool_->Give(std::move(scratch_));
  }
  TransducerScratch* operator->() const { return scratch_.get(); }
  TransducerScratch& operator*() const { return *scratch_; }

 private:
  ScratchPool* pool_;
  std::unique_ptr<TransducerScratch> scratch_;
};

}  // namespace sottovoce
