// Speech to text.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/registry.h"
#include "pipeline/recognizer.h"

namespace py = pybind11;

namespace sottovoce::bindings {
namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

// (text, [(word, start_seconds, end_seconds, confidence)])
py::tuple ToPython(const RecognitionResult& result) {
  py::list words;
  for (const RecognizedWord& word : result.words) {
    words.append(py::make_tuple(word.text, word.start_seconds, word.end_seconds, word.confidence));
  }
  return py::make_tuple(result.text, words);
}

// The recognizer, and what it must keep alive: the bytes of an artifact opened from memory.
struct PyRecognizer {
  std::shared_ptr<const Recognizer> recognizer;
  py::object memory;
};

// A stream serves one thread at a time; with the GIL released, a lock has to see to it.
struct PyStream {
  std::unique_ptr<RecognizerStream> stream;
  py::object memory;
  std::mutex mutex;
};

}  // namespace

SV_BIND(recognizer) {
  py::class_<PyRecognizer>(module, "Recognizer")
      .def_static("open",
                  [](const py::bytes& path) {
                    const std::string name = path;
                    py::gil_scoped_release release;
                    auto recognizer = Recognizer::Open(name);
                    py::gil_scoped_acquire acquire;
                    return PyRecognizer{ValueOrThrow(std::move(recognizer)), py::none()};
                  })
      .def_static("open_memory",
                  [](const py::bytes& data) {
                    const std::string_view view = data;
                    return PyRecognizer{ValueOrThrow(Recognizer::OpenMemory(view.data(), view.size())), data};
                  })
      .def("recognize",
           [](const PyRecognizer& self, const FloatArray& samples, int sample_rate) {
             const float* data = samples.data();
             const size_t count = static_cast<size_t>(samples.size());
             Result<RecognitionResult> result = [&] {
               py::gil_scoped_release release;
               return self.recognizer->Recognize(data, count, sample_rate);
             }();
             return ToPython(ValueOrThrow(std::move(result)));
           })
      .def("stream",
           [](const PyRecognizer& self) {
             auto stream = std::make_unique<PyStream>();
             stream->stream = self.recognizer->CreateStream();
             stream->memory = self.memory;
             return stream;
           })
      .def_property_readonly("sample_rate",
                             [](const PyRecognizer& self) { return self.recognizer->fbank()->options().sample_rate; })
      .def_property_readonly("frame_seconds", [](const PyRecognizer& self) { return self.recognizer->frame_seconds(); })
      .def_property_readonly("look_ahead_seconds", [](const PyRecognizer& self) {
        const FbankOptions& o = self.recognizer->fbank()->options();
        return static_cast<double>(self.recognizer->model().config().look_ahead) * o.hop_samples / o.sample_rate;
      });
  py::class_<PyStream>(module, "RecognizerStream")
      .def("accept_waveform",
           [](PyStream& self, const FloatArray& samples, int sample_rate) {
             const float* data = samples.data();
             const size_t count = static_cast<size_t>(samples.size());
             Status status;
             {
               py::gil_scoped_release release;
               std::lock_guard<std::mutex> lock(self.mutex);
               status = self.stream->AcceptWaveform(data, count, sample_rate);
             }
             ThrowIfError(status);
           })
      .def_property_readonly("partial",
                             [](PyStream& self) {
                               py::gil_scoped_release release;
                               std::lock_guard<std::mutex> lock(self.mutex);
                               return self.stream->Partial();
                             })
      .def("finish",
           [](PyStream& self) {
             RecognitionResult result;
             {
               py::gil_scoped_release release;
               std::lock_guard<std::mutex> lock(self.mutex);
               result = self.stream->Finish();
             }
             return ToPython(result);
           })
      .def_property_readonly("tokens",
                             // [(symbol, encoder frame, log probability)]
                             [](PyStream& self) {
                               std::vector<DecodedToken> copy;
                               {
                                 py::gil_scoped_release release;
                                 std::lock_guard<std::mutex> lock(self.mutex);
                                 copy = self.stream->tokens();
                               }
                               py::list tokens;
                               for (const DecodedToken& token : copy) {
                                 tokens.append(py::make_tuple(token.symbol, token.frame, token.log_prob));
                               }
                               return tokens;
                             });
}

}  // namespace sottovoce::bindings
