// All that a search knows of a transducer: which symbol is likely next.
#pragma once

namespace sottovoce {

// One hypothesis of one stream; implemented over a model in pipeline/.
class TransducerScorer {
 public:
  virtual ~TransducerScorer() = default;

  virtual int vocab_size() const = 0;  // blank is symbol 0

  // (vocab_size) logits of the next symbol at this frame, after the labels appended so far; valid until the next call.
  // frame: one encoder frame as the model gave it.
  virtual const float* Logits(const float* frame) = 0;

  // Appends a symbol that is not blank.
  virtual void Append(int symbol) = 0;
};

}  // namespace sottovoce
