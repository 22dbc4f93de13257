#include "audio/fbank_options.h"

#include <cmath>

namespace sottovoce {
namespace {

Status Check(bool good, const char* field, const char* wanted, double found) {
  if (good) return Status();
  return InvalidArgument(std::string("feature.") + field + ": wanted " + wanted + ", found " + std::to_string(found));
}

}  // namespace

Result<WindowKind> ParseWindowKind(const std::string& name) {
  if (name == "povey") return WindowKind::kPovey;
  if (name == "hann") return WindowKind::kHann;
  return InvalidArgument("feature.window: wanted povey or hann, found \"" + name + "\"");
}

Result<MelScale> ParseMelScale(const std::string& name) {
  if (name == "htk") return MelScale::kHtk;
  if (name == "slaney") return MelScale::kSlaney;
  return InvalidArgument("feature.mel_scale: wanted htk or slaney, found \"" + name + "\"");
}

Result<FbankOptions> FbankPreset(const std::string& name) {
  FbankOptions options;
  if (name == "kaldi80") return options;
  if (name != "slaney128")
    return InvalidArgument("feature preset: wanted kaldi80 or slaney128, found \"" + name + "\"");
  options.num_mels = 128;
  options.window_samples = 320;
  options.window = WindowKind::kHann;
  options.mel_scale = MelScale::kSlaney;
  options.low_hz = 0.0f;
  options.high_hz = 8000.0f;
  options.log_floor = 0.0f;
  options.log_offset = std::ldexp(1.0f, -24);
  options.remove_dc = false;
  return options;
}

Status ValidateFbankOptions(const FbankOptions& o) {
  SV_RETURN_IF_ERROR(
      Check(o.sample_rate >= 1000 && o.sample_rate <= 384000, "sample_rate", "1000 to 384000", o.sample_rate));
  SV_RETURN_IF_ERROR(Check(o.num_mels >= 1 && o.num_mels <= 1024, "num_mels", "1 to 1024", o.num_mels));
  SV_RETURN_IF_ERROR(Check(o.fft_size >= 8 && o.fft_size <= 65536 && (o.fft_size & (o.fft_size - 1)) == 0, "fft_size",
                           "a power of two, 8 to 65536", o.fft_size));
  SV_RETURN_IF_ERROR(Check(o.window_samples >= 2 && o.window_samples <= o.fft_size, "window_samples",
                           "2 to feature.fft_size", o.window_samples));
  SV_RETURN_IF_ERROR(Check(o.hop_samples >= 1 && o.hop_samples <= o.window_samples, "hop_samples",
                           "1 to feature.window_samples", o.hop_samples));
  SV_RETURN_IF_ERROR(Check(o.preemphasis >= 0.0f && o.preemphasis <= 1.0f, "preemphasis", "0 to 1", o.preemphasis));
  SV_RETURN_IF_ERROR(Check(o.low_hz >= 0.0f && o.low_hz < o.high_hz, "low_hz", "0 to below feature.high_hz", o.low_hz));
  SV_RETURN_IF_ERROR(Check(o.high_hz <= 0.5f * static_cast<float>(o.sample_rate), "high_hz",
                           "at most half of feature.sample_rate", o.high_hz));
  SV_RETURN_IF_ERROR(
      Check(o.log_offset >= 0.0f && o.log_offset < 1e30f, "log_offset", "a number, 0 or more", o.log_offset));
  SV_RETURN_IF_ERROR(Check(o.log_offset > 0.0f || (o.log_floor > 0.0f && o.log_floor < 1e30f), "log_floor",
                           "above 0 where feature.log_offset is 0", o.log_floor));
  return Status();
}

}  // namespace sottovoce
