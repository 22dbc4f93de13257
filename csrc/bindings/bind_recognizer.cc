// Speech to text.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/registry.h"
#include "pipeline/recognizer.h"

namespace py = pybind11;
using namespace pybind11::literals;

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

// ("partial", text, words), ("final", text, words, confidence, start, end, [(text, log probability)]) or
// ("endpoint", seconds, reason).
py::tuple ToPython(const RecognitionEvent& event) {
  if (event.kind == RecognitionEvent::Kind::kEndpoint) {
    return py::make_tuple("endpoint", event.seconds,
                          event.reason == EndpointReason::kMaxLength ? "max_length" : "silence");
  }
  const py::tuple result = ToPython(event.result);
  if (event.kind == RecognitionEvent::Kind::kPartial) return py::make_tuple("partial", result[0], result[1]);
  py::list alternatives;
  for (const Alternative& alternative : event.alternatives) {
    alternatives.append(py::make_tuple(alternative.text, alternative.log_prob));
  }
  return py::make_tuple("final", result[0], result[1], event.confidence, event.start_seconds, event.end_seconds,
                        alternatives);
}

std::vector<BiasingText> ToPhrases(const std::vector<std::pair<std::string, float>>& phrases) {
  std::vector<BiasingText> texts;
  for (const auto& [phrase, boost] : phrases) texts.push_back({phrase, boost});
  return texts;
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

// The next samples of several streams of one recognizer, in one call.
void PushBatch(const PyRecognizer& self, const std::vector<PyStream*>& streams, const std::vector<FloatArray>& samples,
               int sample_rate, bool finish) {
  if (streams.size() != samples.size()) {
    ThrowIfError(InvalidArgument("chunks: wanted one for each of " + std::to_string(streams.size()) +
                                 " streams, found " + std::to_string(samples.size())));
  }
  std::vector<StreamSamples> inputs;
  for (size_t s = 0; s < streams.size(); ++s) {
    inputs.push_back(
        {streams[s]->stream.get(), samples[s].data(), static_cast<size_t>(samples[s].size()), sample_rate, finish});
  }
  // Locked in one order whatever the caller's, each once: two batches of the same streams cannot wait for each other.
  std::vector<PyStream*> ordered = streams;
  std::sort(ordered.begin(), ordered.end(), std::less<PyStream*>());
  ordered.erase(std::unique(ordered.begin(), ordered.end()), ordered.end());
  Status status;
  {
    py::gil_scoped_release release;
    std::vector<std::unique_lock<std::mutex>> locks;
    for (PyStream* stream : ordered) locks.emplace_back(stream->mutex);
    status = self.recognizer->AcceptWaveforms(inputs.data(), inputs.size());
  }
  ThrowIfError(status);
}

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
      .def(
          "stream",
          [](const PyRecognizer& self, std::optional<int> beam, int alternatives,
             const std::vector<std::pair<std::string, float>>& biasing, double endpoint_silence,
             double endpoint_min_speech, double endpoint_max, std::optional<float> lm_scale,
             std::optional<float> lm_bonus) {
            StreamOptions options;
            options.beam_size = beam;
            options.alternatives = alternatives;
            options.biasing = ToPhrases(biasing);
            options.endpoint = {endpoint_silence, endpoint_min_speech, endpoint_max};
            options.lm_scale = lm_scale;
            options.lm_bonus = lm_bonus;
            auto stream = std::make_unique<PyStream>();
            stream->stream = ValueOrThrow(self.recognizer->CreateStream(options));
            stream->memory = self.memory;
            return stream;
          },
          "beam"_a = std::nullopt, "alternatives"_a = 1, "biasing"_a = std::vector<std::pair<std::string, float>>(),
          "endpoint_silence"_a = 0.0, "endpoint_min_speech"_a = 0.0, "endpoint_max"_a = 0.0,
          "lm_scale"_a = std::nullopt, "lm_bonus"_a = std::nullopt)
      .def("push_batch", &PushBatch, "streams"_a, "chunks"_a, "sample_rate"_a, "finish"_a = false)
      .def("encode_text",
           [](const PyRecognizer& self, const std::string& text) { return self.recognizer->pieces().Encode(text); })
      // For tests: the language model's scores after labels, (vocabulary).
      .def("language_scores",
           [](const PyRecognizer& self, const std::vector<int>& labels) {
             const Transducer& model = self.recognizer->model();
             if (model.language_model() == nullptr)
               ThrowIfError(InvalidArgument("the recognizer has no language model"));
             const ScratchLease scratch = model.BorrowScratch();
             LabelCache cache;
             model.StartLabels(cache, scratch->labels, /*with_language_model=*/true);
             for (int label : labels) {
               if (label < 0 || label >= model.config().vocab_size) {
                 ThrowIfError(InvalidArgument("label: wanted 0 to " + std::to_string(model.config().vocab_size - 1) +
                                              ", found " + std::to_string(label)));
               }
               const LabelRow row{&cache, label};
               model.AppendLabels(&row, 1, scratch->labels);
             }
             return cache.language_scores;
           })
      .def_property_readonly("sample_rate",
                             [](const PyRecognizer& self) { return self.recognizer->fbank()->options().sample_rate; })
      .def_property_readonly("default_beam",
                             [](const PyRecognizer& self) { return self.recognizer->default_beam_size(); })
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
      .def_property_readonly("state_bytes",
                             [](PyStream& self) {
                               std::lock_guard<std::mutex> lock(self.mutex);
                               return self.stream->state_bytes();
                             })
      .def("set_biasing",
           [](PyStream& self, const std::vector<std::pair<std::string, float>>& phrases) {
             const std::vector<BiasingText> texts = ToPhrases(phrases);
             std::lock_guard<std::mutex> lock(self.mutex);
             ThrowIfError(self.stream->SetBiasing(texts));
           })
      .def("poll",
           [](PyStream& self) {
             std::vector<RecognitionEvent> events;
             {
               py::gil_scoped_release release;
               std::lock_guard<std::mutex> lock(self.mutex);
               events = self.stream->TakeEvents();
             }
             py::list list;
             for (const RecognitionEvent& event : events) list.append(ToPython(event));
             return list;
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
