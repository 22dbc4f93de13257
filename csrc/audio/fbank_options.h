// What log-mel features are: the `feature.*` metadata of an artifact, field by field.
#pragma once

#include <string>

#include "base/status.h"

namespace sottovoce {

enum class WindowKind { kPovey, kHann };  // "povey" (Hann ^ 0.85) and "hann", both symmetric
enum class MelScale { kHtk, kSlaney };    // "htk" and "slaney"

// Defaults are the preset "kaldi80": what kaldi-native-fbank computes with snip_edges off and dither 0.
struct FbankOptions {
  int sample_rate = 16000;  // Hz
  int num_mels = 80;
  int window_samples = 400;
  int hop_samples = 160;
  int fft_size = 512;  // power of two, window_samples or more
  WindowKind window = WindowKind::kPovey;
  MelScale mel_scale = MelScale::kHtk;
  float preemphasis = 0.97f;  // inside a frame; 0 = none
  float low_hz = 20.0f;
  float high_hz = 7600.0f;
  float log_floor = 1.1920928955078125e-07f;  // log(max(x, log_floor)) when log_offset is 0
  float log_offset = 0.0f;                    // log(x + log_offset) when above 0
  bool remove_dc = true;                      // subtract the frame's mean first
};

Result<WindowKind> ParseWindowKind(const std::string& name);
Result<MelScale> ParseMelScale(const std::string& name);

// "kaldi80": the defaults. "slaney128": 128 Slaney mels, 20 ms Hann, FFT 512, log(x + 2^-24).
Result<FbankOptions> FbankPreset(const std::string& name);

Status ValidateFbankOptions(const FbankOptions& options);

}  // namespace sottovoce
