// Is somebody speaking? Energy of each band above a noise floor that follows the room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sottovoce {

struct VoiceActivityOptions {
  float margin = 1.4f;             // natural logarithm of a band's energy above its floor that counts as noise still
  float threshold = 0.35f;         // mean over bands of what is above the margin, from which a frame is speech
  float share = 0.2f;              // of the loudest such mean of late, from which it is
  float least_level = -13.0f;      // log-mel below which a band is silent whatever the floor
  float frame_seconds = 0.01f;     // duration of a frame
  float hangover_seconds = 0.15f;  // speech goes on for so long after its last loud frame
};

// One stream of frames. Nothing is allocated after construction.
class VoiceActivityDetector {
 public:
  explicit VoiceActivityDetector(int num_mels, const VoiceActivityOptions& options = {});

  // log_mels: (num_mels) log energies of the next frame, not normalised. Returns whether it belongs to speech.
  bool Accept(const float* log_mels);

  void Reset();

  size_t bytes() const { return (level_.size() + floor_.size()) * sizeof(float); }

 private:
  VoiceActivityOptions options_;
  std::vector<float> level_;  // (num_mels) smoothed log energies
  std::vector<float> floor_;  // (num_mels)
  int64_t frames_ = 0;
  float peak_ = 0.0f;          // loudest mean of late
  float loud_seconds_ = 0.0f;  // since the last quiet frame
  float hangover_ = 0.0f;      // seconds left
};

}  // namespace sottovoce
