#include "search/endpoint.h"

namespace sottovoce {

EndpointReason DetectEndpoint(const EndpointRules& rules, double first, double last, double now, double quiet_seconds) {
  if (first < 0.0) return EndpointReason::kNone;
  if (rules.max_seconds > 0.0 && now - first >= rules.max_seconds) return EndpointReason::kMaxLength;
  if (rules.silence_seconds <= 0.0 || last - first < rules.min_speech_seconds) return EndpointReason::kNone;
  const double blank_seconds = now - last;
  if (blank_seconds < rules.silence_seconds) return EndpointReason::kNone;
  // Noise may never get quiet: then twice the silence without a symbol has to do.
  const bool quiet = quiet_seconds >= 0.5 * rules.silence_seconds || blank_seconds >= 2.0 * rules.silence_seconds;
  return quiet ? EndpointReason::kSilence : EndpointReason::kNone;
}

}  // namespace sottovoce
