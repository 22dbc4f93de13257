// Audio: WAV reading, resampling, log-mel features.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "audio/fbank.h"
#include "audio/resampler.h"
#include "audio/samples.h"
#include "audio/wav.h"
#include "bindings/registry.h"

namespace py = pybind11;

namespace sottovoce::bindings {
namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

py::array_t<float> ToNumpy(const std::vector<float>& values) {
  return py::array_t<float>(static_cast<py::ssize_t>(values.size()), values.data());
}

// One streaming computation, or any number of whole ones.
class PyFbank {
 public:
  explicit PyFbank(const FbankOptions& options) : fbank_(ValueOrThrow(Fbank::Create(options))), stream_(fbank_) {}

  py::array_t<float> Compute(const FloatArray& samples) const {
    FbankStream stream(fbank_);
    std::vector<float> frames;
    Push(stream, samples, true, 0, frames);
    return Frames(frames);
  }

  py::array_t<float> Accept(const FloatArray& samples) {
    if (finished_) ThrowIfError(InvalidArgument("fbank: accept after finish; wanted reset() before new samples"));
    std::vector<float> frames;
    Push(stream_, samples, false, num_samples_, frames);
    num_samples_ += static_cast<size_t>(samples.size());
    return Frames(frames);
  }

  py::array_t<float> Finish() {
    finished_ = true;
    std::vector<float> frames;
    Push(stream_, FloatArray(0), true, num_samples_, frames);
    return Frames(frames);
  }

  void Reset() {
    stream_.Reset();
    finished_ = false;
    num_samples_ = 0;
  }

  int num_mels() const { return fbank_->num_mels(); }

 private:
  void Push(FbankStream& stream, const FloatArray& samples, bool finish, size_t offset,
            std::vector<float>& frames) const {
    if (samples.ndim() != 1) {
      ThrowIfError(InvalidArgument("samples: wanted a 1-D array, found " + std::to_string(samples.ndim()) + "-D"));
    }
    const float* data = samples.data();
    const size_t count = static_cast<size_t>(samples.size());
    Status status;
    {
      py::gil_scoped_release release;
      status = CheckFiniteSamples(data, count, offset);
      if (status.ok()) {
        const size_t mels = static_cast<size_t>(num_mels());
        for (size_t at = 0;;) {
          at += stream.Accept(data + at, count - at);
          if (at == count && finish) stream.Finish();
          while (stream.Ready()) {
            frames.resize(frames.size() + mels);
            stream.Read(frames.data() + frames.size() - mels);
          }
          if (at == count) break;
        }
      }
    }
    ThrowIfError(status);
  }

  py::array_t<float> Frames(const std::vector<float>& frames) const {
    const py::ssize_t mels = num_mels();
    py::array_t<float> array({static_cast<py::ssize_t>(frames.size()) / mels, mels});
    std::copy(frames.begin(), frames.end(), array.mutable_data());
    return array;
  }

  std::shared_ptr<const Fbank> fbank_;
  FbankStream stream_;
  size_t num_samples_ = 0;
  bool finished_ = false;
};

}  // namespace

SV_BIND(audio) {
  module.def(
      "read_wav",
      [](const std::string& path) {
        WavAudio audio;
        {
          py::gil_scoped_release release;
          Result<WavAudio> result = ReadWav(path);
          py::gil_scoped_acquire acquire;
          audio = ValueOrThrow(std::move(result));
        }
        return py::make_tuple(ToNumpy(audio.samples), audio.sample_rate);
      },
      py::arg("path"));
  module.def(
      "resample",
      [](const FloatArray& samples, int from_rate, int to_rate) {
        if (samples.ndim() != 1) {
          ThrowIfError(InvalidArgument("samples: wanted a 1-D array, found " + std::to_string(samples.ndim()) + "-D"));
        }
        const float* data = samples.data();
        const size_t count = static_cast<size_t>(samples.size());
        Result<std::vector<float>> result = [&] {
          py::gil_scoped_release release;
          return Resample(data, count, from_rate, to_rate);
        }();
        return ToNumpy(ValueOrThrow(std::move(result)));
      },
      py::arg("samples"), py::arg("from_rate"), py::arg("to_rate"));
  module.def(
      "fbank_preset",
      [](const std::string& name) {
        const FbankOptions o = ValueOrThrow(FbankPreset(name));
        py::dict d;
        d["sample_rate"] = o.sample_rate;
        d["num_mels"] = o.num_mels;
        d["window_samples"] = o.window_samples;
        d["hop_samples"] = o.hop_samples;
        d["fft_size"] = o.fft_size;
        d["window"] = o.window == WindowKind::kPovey ? "povey" : "hann";
        d["mel_scale"] = o.mel_scale == MelScale::kHtk ? "htk" : "slaney";
        d["preemphasis"] = o.preemphasis;
        d["low_hz"] = o.low_hz;
        d["high_hz"] = o.high_hz;
        d["log_floor"] = o.log_floor;
        d["log_offset"] = o.log_offset;
        d["remove_dc"] = o.remove_dc;
        return d;
      },
      py::arg("name"), "The feature.* settings of a preset, as keyword arguments of Fbank.");
  py::class_<PyFbank>(module, "Fbank")
      .def(py::init([](int sample_rate, int num_mels, int window_samples, int hop_samples, int fft_size,
                       const std::string& window, const std::string& mel_scale, float preemphasis, float low_hz,
                       float high_hz, float log_floor, float log_offset, bool remove_dc) {
             FbankOptions o;
             o.sample_rate = sample_rate;
             o.num_mels = num_mels;
             o.window_samples = window_samples;
             o.hop_samples = hop_samples;
             o.fft_size = fft_size;
             o.window = ValueOrThrow(ParseWindowKind(window));
             o.mel_scale = ValueOrThrow(ParseMelScale(mel_scale));
             o.preemphasis = preemphasis;
             o.low_hz = low_hz;
             o.high_hz = high_hz;
             o.log_floor = log_floor;
             o.log_offset = log_offset;
             o.remove_dc = remove_dc;
             return std::make_unique<PyFbank>(o);
           }),
           py::kw_only(), py::arg("sample_rate"), py::arg("num_mels"), py::arg("window_samples"),
           py::arg("hop_samples"), py::arg("fft_size"), py::arg("window"), py::arg("mel_scale"), py::arg("preemphasis"),
           py::arg("low_hz"), py::arg("high_hz"), py::arg("log_floor"), py::arg("log_offset"), py::arg("remove_dc"))
      .def("compute", &PyFbank::Compute, py::arg("samples"), "(n,) samples -> (frames, mels); leaves the stream alone.")
      .def("accept", &PyFbank::Accept, py::arg("samples"), "(n,) samples -> the frames they complete, (frames, mels).")
      .def("finish", &PyFbank::Finish, "The frames that reach past the last sample.")
      .def("reset", &PyFbank::Reset)
      .def_property_readonly("num_mels", &PyFbank::num_mels);
}

}  // namespace sottovoce::bindings
