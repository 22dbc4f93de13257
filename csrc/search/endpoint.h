// When an utterance is over.
#pragma once

#include <cstdint>

namespace sottovoce {

struct EndpointRules {
  double silence_seconds = 0.0;      // after the last symbol; 0: no endpoints by silence
  double min_speech_seconds = 0.05;  // from the first symbol to the last, below which silence ends nothing
  double max_seconds = 0.0;          // from the first symbol; 0: any length
};

enum class EndpointReason { kNone, kSilence, kMaxLength };

// first, last: seconds of the utterance's first and last symbol, negative before the first. now: seconds decoded.
// quiet_seconds: since the last frame that sounded like speech.
EndpointReason DetectEndpoint(const EndpointRules& rules, double first, double last, double now, double quiet_seconds);

}  // namespace sottovoce
