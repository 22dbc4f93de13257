#include "audio/voice_activity.h"

#include <doctest/doctest.h>

#include <vector>

namespace sottovoce {
namespace {

// Seconds found to be speech among `seconds` of frames of that level, a little restless.
double Speech(VoiceActivityDetector& detector, float level, double seconds) {
  int count = 0;
  const int frames = static_cast<int>(seconds * 100);
  for (int i = 0; i < frames; ++i) {
    const std::vector<float> frame(80, level + 0.2f * static_cast<float>(i % 3 - 1));
    count += detector.Accept(frame.data()) ? 1 : 0;
  }
  return count / 100.0;
}

}  // namespace

TEST_CASE("speech stands out of the noise it is in") {
  for (float noise : {-15.9f, -11.0f, -6.0f}) {
    CAPTURE(noise);
    VoiceActivityDetector detector(80);
    CHECK(Speech(detector, noise, 1.0) < 0.2);
    CHECK(Speech(detector, noise < -10.0f ? -3.0f : noise + 4.0f, 1.0) > 0.9);
    CHECK(Speech(detector, noise, 1.0) < 0.4);
  }
}

TEST_CASE("a fan that is switched on becomes silence after a while") {
  VoiceActivityDetector detector(80);
  Speech(detector, -11.0f, 1.0);
  Speech(detector, -7.0f, 8.0);
  CHECK(Speech(detector, -7.0f, 1.0) == 0.0);
  detector.Reset();
  CHECK(Speech(detector, -7.0f, 1.0) == 0.0);
}

}  // namespace sottovoce
