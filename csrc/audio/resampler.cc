#include "audio/resampler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>

#include "audio/samples.h"

namespace sottovoce {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kZeroCrossings = 32;    // of the sinc, each side
constexpr double kRolloff = 0.95;     // pass band as a share of the lower Nyquist frequency
constexpr double kKaiserBeta = 10.0;  // stop band below -100 dB
constexpr int kMaxPhases = 1024;      // rates with a larger numerator interpolate between phases: error below -110 dB

double BesselI0(double x) {
  double sum = 1.0, term = 1.0;
  for (int k = 1; k < 60; ++k) {
    term *= (x / (2.0 * k)) * (x / (2.0 * k));
    sum += term;
  }
  return sum;
}

float Dot(const float* a, const float* b, int n) {  // n a multiple of 8; eight sums in a fixed order
  float sums[8] = {};
  for (int i = 0; i < n; i += 8) {
    for (int j = 0; j < 8; ++j) sums[j] += a[i + j] * b[i + j];
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace

Result<std::shared_ptr<const ResamplerFilters>> ResamplerFilters::Create(int from_rate, int to_rate) {
  for (int rate : {from_rate, to_rate}) {
    if (rate < kMinRate || rate > kMaxRate) {
      return InvalidArgument("sample rate: wanted " + std::to_string(kMinRate) + " to " + std::to_string(kMaxRate) +
                             " Hz, found " + std::to_string(rate));
    }
  }
  const int divisor = std::gcd(from_rate, to_rate);
  return std::shared_ptr<const ResamplerFilters>(new ResamplerFilters(to_rate / divisor, from_rate / divisor));
}

ResamplerFilters::ResamplerFilters(int up, int down) : up_(up), down_(down), num_phases_(std::min(up, kMaxPhases)) {
  // The cutoff lies under the lower of the two Nyquist frequencies; times are in input samples.
  const double cutoff = kRolloff * std::min(1.0, static_cast<double>(up) / down);  // of the input's Nyquist
  const double half_width = kZeroCrossings / cutoff;
  taps_ = (2 * static_cast<int>(std::ceil(half_width)) + 7) / 8 * 8;
  filters_.assign(static_cast<size_t>(num_phases_ + 1) * static_cast<size_t>(taps_), 0.0f);
  const double norm = 1.0 / BesselI0(kKaiserBeta);
  std::vector<double> row(taps_);
  for (int phase = 0; phase <= num_phases_; ++phase) {
    double sum = 0.0;
    for (int i = 0; i < taps_; ++i) {
      const double t = i - (taps_ / 2 - 1) - static_cast<double>(phase) / num_phases_;
      const double edge = t / half_width;
      row[i] = 0.0;
      if (edge > -1.0 && edge < 1.0) {
        const double x = kPi * cutoff * t;
        row[i] = (x == 0.0 ? 1.0 : std::sin(x) / x) * BesselI0(kKaiserBeta * std::sqrt(1.0 - edge * edge)) * norm;
      }
      sum += row[i];
    }
    // Each phase passes a constant exactly, so there is no ripple at the input's rate.
    for (int i = 0; i < taps_; ++i) filters_[static_cast<size_t>(phase) * taps_ + i] = static_cast<float>(row[i] / sum);
  }
}

float ResamplerFilters::Apply(const float* window, int phase) const {
  if (num_phases_ == up_) return Dot(window, filters_.data() + static_cast<size_t>(phase) * taps_, taps_);
  const double position = static_cast<double>(phase) * num_phases_ / up_;
  const int lower = static_cast<int>(position);
  const float share = static_cast<float>(position - lower);
  const float* row = filters_.data() + static_cast<size_t>(lower) * taps_;
  const float a = Dot(window, row, taps_);
  const float b = Dot(window, row + taps_, taps_);
  return a + share * (b - a);
}

Resampler::Resampler(std::shared_ptr<const ResamplerFilters> filters)
    : filters_(std::move(filters)), buffer_(4 * static_cast<size_t>(filters_->taps()) + 4096 + filters_->down()) {
  Reset();
}

void Resampler::Reset() {
  const size_t silence = static_cast<size_t>(filters_->taps() / 2 - 1);
  std::fill_n(buffer_.begin(), silence, 0.0f);
  first_ = -static_cast<int64_t>(silence);
  buffered_ = silence;
  base_ = 0;
  phase_ = 0;
  num_inputs_ = 0;
  finished_ = false;
}

size_t Resampler::Accept(const float* samples, size_t count) {
  if (finished_) return 0;
  // The last `taps` places are kept free for the silence that Finish() adds.
  const size_t capacity = buffer_.size() - static_cast<size_t>(filters_->taps());
  if (count > capacity - buffered_) {
    const int64_t wanted_from = base_ - (filters_->taps() / 2 - 1);
    const size_t drop = static_cast<size_t>(
        std::min<int64_t>(std::max<int64_t>(wanted_from - first_, 0), static_cast<int64_t>(buffered_)));
    std::memmove(buffer_.data(), buffer_.data() + drop, (buffered_ - drop) * sizeof(float));
    first_ += static_cast<int64_t>(drop);
    buffered_ -= drop;
  }
  const size_t taken = std::min(count, capacity - buffered_);
  std::copy(samples, samples + taken, buffer_.data() + buffered_);
  buffered_ += taken;
  num_inputs_ += static_cast<int64_t>(taken);
  return taken;
}

void Resampler::Finish() {
  if (finished_) return;
  finished_ = true;
  const size_t silence = static_cast<size_t>(filters_->taps() / 2);
  std::fill_n(buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_), silence, 0.0f);
  buffered_ += silence;
}

size_t Resampler::Read(float* samples, size_t capacity) {
  const int taps = filters_->taps();
  size_t written = 0;
  for (; written < capacity; ++written) {
    const int64_t start = base_ - (taps / 2 - 1) - first_;
    if (start + taps > static_cast<int64_t>(buffered_)) break;
    if (finished_ && base_ >= num_inputs_) break;
    samples[written] = filters_->Apply(buffer_.data() + start, phase_);
    const int64_t next = static_cast<int64_t>(phase_) + filters_->down();
    base_ += next / filters_->up();
    phase_ = static_cast<int>(next % filters_->up());
  }
  return written;
}

Result<std::vector<float>> Resample(const float* samples, size_t count, int from_rate, int to_rate) {
  SV_RETURN_IF_ERROR(CheckFiniteSamples(samples, count));
  SV_ASSIGN_OR_RETURN(auto filters, ResamplerFilters::Create(from_rate, to_rate));
  if (from_rate == to_rate) return std::vector<float>(samples, samples + count);
  Resampler resampler(filters);
  std::vector<float> output;
  output.reserve(static_cast<size_t>(static_cast<double>(count) * to_rate / from_rate) + 2);
  float block[1024];
  for (size_t at = 0;;) {
    at += resampler.Accept(samples + at, count - at);
    if (at == count) resampler.Finish();
    size_t got;
    while ((got = resampler.Read(block, 1024)) > 0) output.insert(output.end(), block, block + got);
    if (at == count) return output;
  }
}

}  // namespace sottovoce
