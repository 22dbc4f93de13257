// Voice activity; sdk/sottovoce/voice_activity.py is the public face.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <mutex>

#include "bindings/registry.h"
#include "pipeline/speech_segments.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace sottovoce::bindings {
namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

struct PySegmenter {
  std::unique_ptr<SpeechSegmenter> segmenter;
  std::mutex mutex;

  // [(start seconds, end seconds)] of the segments that ended.
  py::list Take() {
    py::list segments;
    for (const SpeechSegment& s : segmenter->TakeSegments()) {
      segments.append(py::make_tuple(s.start_seconds, s.end_seconds));
    }
    return segments;
  }
};

}  // namespace

SV_BIND(voice_activity) {
  py::class_<PySegmenter>(module, "SpeechSegmenter")
      .def(py::init([](double min_silence, double min_speech) {
             auto made = std::make_unique<PySegmenter>();
             made->segmenter = ValueOrThrow(SpeechSegmenter::Create({min_silence, min_speech}));
             return made;
           }),
           "min_silence"_a, "min_speech"_a)
      .def("push",
           [](PySegmenter& self, const FloatArray& samples, int sample_rate) {
             const float* data = samples.data();
             const size_t count = static_cast<size_t>(samples.size());
             Status status;
             std::unique_lock<std::mutex> lock(self.mutex, std::defer_lock);
             {
               py::gil_scoped_release release;
               lock.lock();
               status = self.segmenter->AcceptWaveform(data, count, sample_rate);
             }
             ThrowIfError(status);
             return self.Take();
           })
      .def("finish",
           [](PySegmenter& self) {
             std::unique_lock<std::mutex> lock(self.mutex, std::defer_lock);
             {
               py::gil_scoped_release release;
               lock.lock();
               self.segmenter->Finish();
             }
             return self.Take();
           })
      .def_property_readonly("speaking", [](PySegmenter& self) { return self.segmenter->speaking(); });
}

}  // namespace sottovoce::bindings
