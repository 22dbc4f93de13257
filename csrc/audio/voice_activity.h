// Is somebody speaking? Energy above a noise floor that follows the room.
#pragma once

#include <cstdint>

namespace sottovoce {

struct VoiceActivityOptions {
  float margin = 1.2f;             // natural logarithm of energy above the floor that counts as speech
  float share = 0.3f;              // of the distance from the floor to the loudest of late
  float least_level = -13.0f;      // mean log-mel below which a frame is silence whatever the floor
  float frame_seconds = 0.01f;     // duration of a frame
  float hangover_seconds = 0.15f;  // speech goes on for so long after its last loud frame
};

// One stream of frames; a few numbers of state.
class VoiceActivityDetector {
 public:
  explicit VoiceActivityDetector(const VoiceActivityOptions& options = {}) : options_(options) {}

  // log_mels: (num_mels) log energies of the next frame, not normalised. Returns whether it belongs to speech.
  bool Accept(const float* log_mels, int num_mels);

  void Reset() { *this = VoiceActivityDetector(options_); }

 private:
  VoiceActivityOptions options_;
  int64_t frames_ = 0;
  float level_ = 0.0f;  // smoothed mean log energy
  float floor_ = 0.0f;
  float peak_ = 0.0f;
  float loud_seconds_ = 0.0f;  // since the last quiet frame
  float hangover_ = 0.0f;      // seconds left
};

}  // namespace sottovoce
