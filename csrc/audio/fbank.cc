#include "audio/fbank.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sottovoce {

Result<std::shared_ptr<const Fbank>> Fbank::Create(const FbankOptions& options) {
  SV_RETURN_IF_ERROR(ValidateFbankOptions(options));
  return std::shared_ptr<const Fbank>(new Fbank(options));
}

Fbank::Fbank(const FbankOptions& options)
    : options_(options), window_(options.window_samples), fft_(options.fft_size), filters_(MakeMelFilters(options)) {
  for (int i = 0; i < options.window_samples; ++i) {
    const double hann = 0.5 - 0.5 * std::cos(2.0 * 3.14159265358979323846 * i / (options.window_samples - 1));
    window_[i] = static_cast<float>(options.window == WindowKind::kPovey ? std::pow(hann, 0.85) : hann);
  }
}

int64_t Fbank::NumFrames(int64_t num_samples) const {
  return (num_samples + options_.hop_samples / 2) / options_.hop_samples;
}

void Fbank::ComputeFrame(float* frame, float* scratch, float* mels) const {
  const int n = options_.window_samples;
  if (options_.remove_dc) {
    double sum = 0.0;
    for (int i = 0; i < n; ++i) sum += frame[i];
    const float mean = static_cast<float>(sum / n);
    for (int i = 0; i < n; ++i) frame[i] -= mean;
  }
  if (options_.preemphasis > 0.0f) {
    for (int i = n - 1; i > 0; --i) frame[i] -= options_.preemphasis * frame[i - 1];
    frame[0] -= options_.preemphasis * frame[0];
  }
  for (int i = 0; i < n; ++i) frame[i] *= window_[i];
  std::fill(frame + n, frame + options_.fft_size, 0.0f);
  float* power = scratch + options_.fft_size;
  fft_.Power(frame, scratch, power);
  filters_.Apply(power, mels);
  const bool offset = options_.log_offset > 0.0f;
  for (int m = 0; m < options_.num_mels; ++m) {
    mels[m] = std::log(offset ? mels[m] + options_.log_offset : std::max(mels[m], options_.log_floor));
  }
}

FbankStream::FbankStream(std::shared_ptr<const Fbank> fbank)
    : fbank_(std::move(fbank)),
      // Two windows of history would do; the rest spares moving the buffer at every frame.
      samples_(3 * static_cast<size_t>(fbank_->options().window_samples) + 4096),
      frame_(fbank_->options().fft_size),
      scratch_(2 * static_cast<size_t>(fbank_->options().fft_size)) {}

int64_t FbankStream::FrameStart(int64_t frame) const {
  const FbankOptions& o = fbank_->options();
  return frame * o.hop_samples + o.hop_samples / 2 - o.window_samples / 2;
}

size_t FbankStream::Accept(const float* samples, size_t count) {
  if (finished_) return 0;
  if (count > samples_.size() - buffered_) {
    // Everything before the next frame goes, except what the mirror at the right edge may still ask for: it reaches no
    // further back than one window from the end, and the next unread frame starts later than that unless it is Ready().
    const int64_t keep_from = std::max<int64_t>(FrameStart(next_frame_), 0);
    const int64_t end = first_sample_ + static_cast<int64_t>(buffered_);
    const int64_t drop = std::min(keep_from, end - fbank_->options().window_samples) - first_sample_;
    if (drop > 0) {
      std::memmove(samples_.data(), samples_.data() + drop, (buffered_ - drop) * sizeof(float));
      first_sample_ += drop;
      buffered_ -= static_cast<size_t>(drop);
    }
  }
  const size_t taken = std::min(count, samples_.size() - buffered_);
  std::copy(samples, samples + taken, samples_.data() + buffered_);
  buffered_ += taken;
  return taken;
}

bool FbankStream::Ready() const {
  const int64_t end = first_sample_ + static_cast<int64_t>(buffered_);
  if (finished_) return next_frame_ < fbank_->NumFrames(end);
  return FrameStart(next_frame_) + fbank_->options().window_samples <= end;
}

void FbankStream::Read(float* mels) {
  const int n = fbank_->options().window_samples;
  const int64_t start = FrameStart(next_frame_);
  const int64_t end = first_sample_ + static_cast<int64_t>(buffered_);
  if (start >= first_sample_ && start + n <= end) {
    std::copy_n(samples_.data() + (start - first_sample_), n, frame_.data());
  } else {
    for (int i = 0; i < n; ++i) {
      int64_t s = start + i;
      // Mirror with the edge sample repeated, as Kaldi does; very short utterances need it more than once.
      while (s < 0 || s >= end) s = s < 0 ? -s - 1 : 2 * end - 1 - s;
      frame_[i] = samples_[static_cast<size_t>(s - first_sample_)];
    }
  }
  fbank_->ComputeFrame(frame_.data(), scratch_.data(), mels);
  ++next_frame_;
}

void FbankStream::Reset() {
  first_sample_ = 0;
  buffered_ = 0;
  next_frame_ = 0;
  finished_ = false;
}

}  // namespace sottovoce
