#include <deque>
#include <memory>
#include <utility>

#include "capi/guard.h"
#include "pipeline/speech_segments.h"

using sottovoce::Status;
using sottovoce::capi::Guard;
using sottovoce::capi::RequireNotNull;
using sottovoce::capi::RequireStructSize;

struct sv_voice_activity {
  std::unique_ptr<sottovoce::SpeechSegmenter> segmenter;
  std::deque<sottovoce::SpeechSegment> segments;  // not polled yet
};

sv_status sv_voice_activity_create(const sv_voice_activity_options* options, sv_voice_activity** detector) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(detector, "detector"));
    SV_RETURN_IF_ERROR(RequireStructSize(options, "options"));
    sottovoce::SpeechSegmentOptions read;
    if (options != nullptr) {
      const double silence = static_cast<double>(options->min_silence_seconds);
      const double speech = static_cast<double>(options->min_speech_seconds);
      if (silence != 0.0) read.min_silence_seconds = silence;
      if (speech != 0.0) read.min_speech_seconds = speech;
    }
    SV_ASSIGN_OR_RETURN(auto segmenter, sottovoce::SpeechSegmenter::Create(read));
    *detector = new sv_voice_activity{std::move(segmenter), {}};
    return Status();
  });
}

sv_status sv_voice_activity_accept_waveform(sv_voice_activity* detector, const float* samples, size_t num_samples,
                                            int32_t sample_rate) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(detector, "detector"));
    if (num_samples > 0) SV_RETURN_IF_ERROR(RequireNotNull(samples, "samples"));
    return detector->segmenter->AcceptWaveform(samples, num_samples, sample_rate);
  });
}

sv_status sv_voice_activity_finish(sv_voice_activity* detector) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(detector, "detector"));
    detector->segmenter->Finish();
    return Status();
  });
}

int32_t sv_voice_activity_speaking(const sv_voice_activity* detector) {
  return detector != nullptr && detector->segmenter->speaking() ? 1 : 0;
}

int32_t sv_voice_activity_poll(sv_voice_activity* detector, sv_segment* segment) {
  int32_t found = 0;
  Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(detector, "detector"));
    SV_RETURN_IF_ERROR(RequireNotNull(segment, "segment"));
    for (const sottovoce::SpeechSegment& ended : detector->segmenter->TakeSegments()) {
      detector->segments.push_back(ended);
    }
    if (detector->segments.empty()) return Status();
    const sottovoce::SpeechSegment& next = detector->segments.front();
    *segment = {static_cast<float>(next.start_seconds), static_cast<float>(next.end_seconds)};
    detector->segments.pop_front();
    found = 1;
    return Status();
  });
  return found;
}

void sv_voice_activity_free(sv_voice_activity* detector) {
  delete detector;
}
