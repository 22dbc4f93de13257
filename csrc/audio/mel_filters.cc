#include "audio/mel_filters.h"

#include <algorithm>
#include <cmath>

namespace sottovoce {
namespace {

// Slaney's Auditory Toolbox: 200 / 3 Hz a mel up to 1 kHz (15 mels), then 27 steps for each factor of 6.4.
constexpr double kSlaneyHzPerMel = 200.0 / 3.0;
constexpr double kSlaneyKneeHz = 1000.0;
constexpr double kSlaneyKneeMel = 15.0;
const double kSlaneyLogStep = std::log(6.4) / 27.0;

double HzToMel(double hz, MelScale scale) {
  if (scale == MelScale::kHtk) return 1127.0 * std::log(1.0 + hz / 700.0);
  if (hz < kSlaneyKneeHz) return hz / kSlaneyHzPerMel;
  return kSlaneyKneeMel + std::log(hz / kSlaneyKneeHz) / kSlaneyLogStep;
}

double SlaneyMelToHz(double mel) {
  if (mel < kSlaneyKneeMel) return mel * kSlaneyHzPerMel;
  return kSlaneyKneeHz * std::exp((mel - kSlaneyKneeMel) * kSlaneyLogStep);
}

}  // namespace

MelFilters MakeMelFilters(const FbankOptions& options) {
  const bool slaney = options.mel_scale == MelScale::kSlaney;
  const double bin_hz = static_cast<double>(options.sample_rate) / options.fft_size;
  const double low = HzToMel(options.low_hz, options.mel_scale);
  const double step = (HzToMel(options.high_hz, options.mel_scale) - low) / (options.num_mels + 1);
  const int num_bins = options.fft_size / 2 + (slaney ? 1 : 0);
  MelFilters filters;
  filters.offset.push_back(0);
  for (int m = 0; m < options.num_mels; ++m) {
    // On Kaldi's filters x is a mel, on Slaney's a frequency: the axis on which the sides are straight.
    double left = low + m * step, centre = low + (m + 1) * step, right = low + (m + 2) * step, peak = 1.0;
    if (slaney) {
      left = SlaneyMelToHz(left);
      centre = SlaneyMelToHz(centre);
      right = SlaneyMelToHz(right);
      peak = 2.0 / (right - left);
    }
    int first = -1;
    for (int bin = 0; bin < num_bins; ++bin) {
      const double x = slaney ? bin * bin_hz : HzToMel(bin * bin_hz, MelScale::kHtk);
      if (x <= left || x >= right) continue;
      const double side = x <= centre ? (x - left) / (centre - left) : (right - x) / (right - centre);
      if (first < 0) first = bin;
      filters.weights.push_back(static_cast<float>(peak * side));
    }
    filters.first.push_back(std::max(first, 0));
    filters.offset.push_back(static_cast<int>(filters.weights.size()));
  }
  return filters;
}

void MelFilters::Apply(const float* power, float* mels) const {
  for (size_t m = 0; m < first.size(); ++m) {
    const float* w = weights.data() + offset[m];
    const float* p = power + first[m];
    const int count = offset[m + 1] - offset[m];
    float sum = 0.0f;
    for (int i = 0; i < count; ++i) sum += w[i] * p[i];
    mels[m] = sum;
  }
}

}  // namespace sottovoce
