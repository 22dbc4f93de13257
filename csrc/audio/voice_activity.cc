#include "audio/voice_activity.h"

#include <algorithm>

namespace sottovoce {
namespace {

constexpr float kSmoothing = 0.35f;     // weight of the newest frame
constexpr float kFloorFall = 0.2f;      // of the way down, a frame
constexpr float kFloorRise = 0.3f;      // a second; speech pauses, so the floor creeps up slowly,
constexpr float kLateFloorRise = 3.0f;  // but a fan that is switched on never pauses
constexpr float kLongSpeechSeconds = 4.0f;
constexpr float kPeakFall = 0.5f;   // of it, a second
constexpr float kMostAbove = 4.0f;  // natural logarithm; a click is loud in every band, and no more than that

}  // namespace

VoiceActivityDetector::VoiceActivityDetector(int num_mels, const VoiceActivityOptions& options)
    : options_(options), level_(static_cast<size_t>(num_mels)), floor_(static_cast<size_t>(num_mels)) {}

void VoiceActivityDetector::Reset() {
  frames_ = 0;
  peak_ = loud_seconds_ = hangover_ = 0.0f;
}

bool VoiceActivityDetector::Accept(const float* log_mels) {
  const VoiceActivityOptions& o = options_;
  const size_t bands = level_.size();
  if (frames_++ == 0) {
    for (size_t m = 0; m < bands; ++m) level_[m] = floor_[m] = std::max(log_mels[m], o.least_level);
  }
  const float rise = (loud_seconds_ > kLongSpeechSeconds ? kLateFloorRise : kFloorRise) * o.frame_seconds;
  float above = 0.0f;
  for (size_t m = 0; m < bands; ++m) {
    // Digital silence says nothing about the room.
    level_[m] += kSmoothing * (std::max(log_mels[m], o.least_level) - level_[m]);
    const float higher = level_[m] - floor_[m];
    floor_[m] += higher < 0.0f ? kFloorFall * higher : std::min(higher, rise);
    above += std::min(std::max(higher - o.margin, 0.0f), kMostAbove);
  }
  above /= static_cast<float>(std::max<size_t>(bands, 1));
  peak_ = std::max(above, peak_ * (1.0f - kPeakFall * o.frame_seconds));
  if (above > std::max(o.threshold, o.share * peak_)) {
    hangover_ = o.hangover_seconds;
    loud_seconds_ += o.frame_seconds;
    return true;
  }
  loud_seconds_ = 0.0f;
  hangover_ -= o.frame_seconds;
  return hangover_ > 0.0f;
}

}  // namespace sottovoce
