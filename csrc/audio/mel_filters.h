// Triangular mel filters over a power spectrum.
#pragma once

#include <vector>

#include "audio/fbank_options.h"

namespace sottovoce {

struct MelFilters {
  // Filter m weighs bins first[m] .. first[m] + offset[m + 1] - offset[m] - 1 by weights[offset[m] ..].
  std::vector<int> first;   // (num_mels)
  std::vector<int> offset;  // (num_mels + 1)
  std::vector<float> weights;

  // power: (fft_size / 2 + 1); mels: (num_mels) energies, no logarithm.
  void Apply(const float* power, float* mels) const;
};

// kHtk: Kaldi's filters, triangles on the mel axis 1127 ln(1 + f / 700), peak 1, Nyquist bin left out.
// kSlaney: triangles on the frequency axis with corners even on Slaney's mel axis (linear below 1 kHz), area
// normalised.
MelFilters MakeMelFilters(const FbankOptions& options);

}  // namespace sottovoce
