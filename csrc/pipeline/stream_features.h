// The features of one recognizer stream: samples in, normalised log-mel frames out, and whether each was speech.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "audio/feature_reader.h"
#include "audio/voice_activity.h"
#include "models/transducer.h"

namespace sottovoce {

class StreamFeatures {
 public:
  StreamFeatures(const Transducer& model, std::shared_ptr<const Fbank> fbank);

  // As of FeatureReader.
  Status Prepare(const float* samples, size_t count, int sample_rate) {
    return reader_.Prepare(samples, count, sample_rate);
  }
  void SetInput(const float* samples, size_t count, int sample_rate) { reader_.SetInput(samples, count, sample_rate); }
  // None will follow these samples: after them come the frames that reach past the end, and as many zeros as the model
  // looks ahead.
  void Finish();

  // Writes the next frames to `frames`, (limit, num_mels). Returns how many; fewer than `limit` when there are no more.
  int Read(float* frames, int limit);

  // How long nobody has spoken before feature frame `frame` of the stream; to be asked in order, about frames read.
  double QuietSeconds(int64_t frame);

  size_t bytes() const;

 private:
  const Transducer& model_;
  FeatureReader reader_;
  VoiceActivityDetector voice_;
  std::vector<uint8_t> speech_;  // by feature frame, in a circle: was it speech?
  int padding_ = 0;              // frames of zeros still to come
  int64_t num_heard_ = 0;        // feature frames of audio read
  int64_t num_judged_ = 0;       // of these, looked at by QuietSeconds()
  int64_t last_speech_ = -1;     // the last of the judged ones that was speech
  double hop_seconds_;
};

}  // namespace sottovoce
