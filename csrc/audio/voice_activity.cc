#include "audio/voice_activity.h"

#include <algorithm>

namespace sottovoce {
namespace {

constexpr float kSmoothing = 0.35f;     // weight of the newest frame
constexpr float kFloorRise = 0.3f;      // a second; speech pauses, so the floor creeps up slowly,
constexpr float kLateFloorRise = 3.0f;  // but a fan that is switched on never pauses
constexpr float kLongSpeechSeconds = 4.0f;
constexpr float kPeakFall = 0.5f;  // a second

}  // namespace

bool VoiceActivityDetector::Accept(const float* log_mels, int num_mels) {
  float mean = 0.0f;
  for (int m = 0; m < num_mels; ++m) mean += log_mels[m];
  mean /= static_cast<float>(std::max(num_mels, 1));
  const VoiceActivityOptions& o = options_;
  if (frames_++ == 0) {
    level_ = floor_ = peak_ = mean;
  }
  level_ += kSmoothing * (mean - level_);
  const float rise = loud_seconds_ > kLongSpeechSeconds ? kLateFloorRise : kFloorRise;
  // A floor of digital silence says nothing about the room.
  floor_ = std::max(std::min(level_, floor_ + rise * o.frame_seconds), o.least_level);
  peak_ = std::max(level_, peak_ - kPeakFall * o.frame_seconds);
  const float threshold = floor_ + std::max(o.margin, o.share * (peak_ - floor_));
  const bool loud = level_ > threshold && level_ > o.least_level;
  if (loud) {
    hangover_ = o.hangover_seconds;
    loud_seconds_ += o.frame_seconds;
    return true;
  }
  loud_seconds_ = 0.0f;
  hangover_ -= o.frame_seconds;
  return hangover_ > 0.0f;
}

}  // namespace sottovoce
