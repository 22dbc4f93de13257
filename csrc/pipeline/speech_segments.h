// Who speaks when, without a recognizer: audio in, segments of speech out.
#pragma once

#include <memory>
#include <vector>

#include "audio/feature_reader.h"
#include "audio/voice_activity.h"

namespace sottovoce {

struct SpeechSegment {
  double start_seconds = 0.0;  // from the start of the stream
  double end_seconds = 0.0;
};

struct SpeechSegmentOptions {
  double min_silence_seconds = 0.3;  // shorter pauses are inside a segment
  double min_speech_seconds = 0.1;   // shorter segments are none
};

// One stream of audio; one thread at a time. Segments do not depend on how the audio is cut.
class SpeechSegmenter {
 public:
  // Refuses negative and endless durations.
  static Result<std::unique_ptr<SpeechSegmenter>> Create(const SpeechSegmentOptions& options);

  // As RecognizerStream::AcceptWaveform().
  Status AcceptWaveform(const float* samples, size_t count, int sample_rate);
  // No more audio: a segment that is open ends with it.
  void Finish();

  // Whether a segment is open, long enough to count.
  bool speaking() const;
  // The segments that ended since the last call.
  std::vector<SpeechSegment> TakeSegments();

 private:
  SpeechSegmenter(const SpeechSegmentOptions& options, std::shared_ptr<const Fbank> fbank);
  void ReadFrames();
  void Close();

  SpeechSegmentOptions options_;
  FeatureReader reader_;
  VoiceActivityDetector voice_;
  std::vector<float> frame_;  // (num_mels)
  double hop_seconds_;
  std::vector<SpeechSegment> segments_;
  int64_t num_frames_ = 0;
  int64_t first_ = -1;  // frames of the open segment, -1: none
  int64_t last_ = -1;
  bool finished_ = false;
};

}  // namespace sottovoce
