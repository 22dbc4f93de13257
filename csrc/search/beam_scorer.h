// All that a beam search knows of a transducer: hypotheses in numbered slots.
#pragma once

namespace sottovoce {

// Implemented over a model in pipeline/. Slots are those below num_slots().
class BeamScorer {
 public:
  virtual ~BeamScorer() = default;

  virtual int vocab_size() const = 0;  // blank is symbol 0

  // Makes room for that many slots; allocates here and nowhere else.
  virtual void Reserve(int num_slots) = 0;

  // No labels yet.
  virtual void Start(int slot) = 0;

  // The labels of `from` and one more, which is not blank; the slots differ.
  virtual void Append(int from, int symbol, int to) = 0;

  // (vocab_size) logits of the next symbol at this frame after the slot's labels; valid until the next call for the
  // slot.
  virtual const float* Logits(int slot, const float* frame) = 0;
};

}  // namespace sottovoce
