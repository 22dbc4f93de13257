// What drives a search knows of it: rounds over numbered label histories ("slots"), so that one product may serve the
// slots of several hypotheses and of several streams.
#pragma once

#include <cstdint>
#include <vector>

namespace sottovoce {

struct DecodedToken {
  int symbol = 0;
  int64_t frame = 0;      // encoder frame at which it came
  float log_prob = 0.0f;  // natural logarithm of its probability there
};

// History `to` becomes that of `from` with one more symbol; blank adds none, and is done after all others of its round.
// `from` may be `to`; otherwise `to` is nobody's `from` among those with a symbol, nor among those without.
struct Extension {
  int from;
  int symbol;
  int to;
};

// One stream's search. Whoever drives it owns the histories, of which slot 0 is empty at the start, and for each
// encoder frame calls BeginFrame(), then as long as wanted() names slots Round() with their logits, and applies
// extensions() after each round. Blank is symbol 0.
class FrameSearch {
 public:
  virtual ~FrameSearch() = default;

  // Of these the first num_lasting_slots() hold histories from one frame to the next, the others within a frame alone.
  virtual int num_slots() const = 0;
  virtual int num_lasting_slots() const = 0;

  virtual void BeginFrame(int64_t frame_index) = 0;

  // Slots whose logits the next round needs; none when the frame is done.
  const std::vector<int>& wanted() const { return wanted_; }

  // logits: (wanted slots, vocabulary), of the next symbol at this frame after the slot's labels. language_scores:
  // null, or for each wanted slot null or the language model's score of each symbol after its labels, (vocabulary), 0
  // for blank.
  virtual void Round(const float* logits, const float* const* language_scores) = 0;

  // What the last round added.
  const std::vector<Extension>& extensions() const { return extensions_; }

 protected:
  std::vector<int> wanted_;
  std::vector<Extension> extensions_;
};

}  // namespace sottovoce
