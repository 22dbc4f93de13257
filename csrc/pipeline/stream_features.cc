#include "pipeline/stream_features.h"

#include <algorithm>
#include <utility>

namespace sottovoce {

StreamFeatures::StreamFeatures(const Transducer& model, std::shared_ptr<const Fbank> fbank)
    : model_(model),
      reader_(fbank),
      voice_(fbank->options().num_mels),
      hop_seconds_(static_cast<double>(fbank->options().hop_samples) / fbank->options().sample_rate) {
  const TransducerConfig& c = model.config();
  const int most = model.encoder().max_frames();
  speech_.resize(static_cast<size_t>(2 * (most + c.look_ahead + c.stride)));
}

void StreamFeatures::Finish() {
  reader_.Finish();
  padding_ = model_.config().look_ahead;
}

int StreamFeatures::Read(float* frames, int limit) {
  const size_t mels = static_cast<size_t>(model_.config().num_mels);
  for (int i = 0; i < limit; ++i) {
    float* frame = frames + static_cast<size_t>(i) * mels;
    if (reader_.Next(frame)) {
      speech_[static_cast<size_t>(num_heard_++) % speech_.size()] = voice_.Accept(frame) ? 1 : 0;
      model_.Normalize(frame);
    } else if (padding_ > 0) {
      --padding_;
      std::fill_n(frame, mels, 0.0f);
    } else {
      return i;
    }
  }
  return limit;
}

double StreamFeatures::QuietSeconds(int64_t frame) {
  for (const int64_t horizon = std::min(num_heard_, frame); num_judged_ < horizon; ++num_judged_) {
    if (speech_[static_cast<size_t>(num_judged_) % speech_.size()] != 0) last_speech_ = num_judged_;
  }
  return static_cast<double>(num_judged_ - 1 - last_speech_) * hop_seconds_;
}

size_t StreamFeatures::bytes() const {
  return reader_.bytes() + voice_.bytes() + speech_.size();
}

}  // namespace sottovoce
