// The encoder of a speech model on its own, for tests and benchmarks that feed it features or count its microseconds.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu_features.h"
#include "bindings/registry.h"
#include "models/transducer.h"

namespace py = pybind11;

namespace sottovoce::bindings {
namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

struct PyEncoder {
  std::shared_ptr<const Transducer> model;
};

struct PyEncoderStream {
  std::shared_ptr<const Transducer> model;
  EncoderCache cache;
  EncoderWorkspace workspace;
  std::mutex mutex;
};

void CheckFeatures(const Transducer& model, const FloatArray& features) {
  if (features.ndim() != 2 || features.shape(1) != model.config().num_mels ||
      features.shape(0) > model.encoder().max_frames()) {
    throw std::invalid_argument("features: wanted (at most " + std::to_string(model.encoder().max_frames()) +
                                ", num_mels)");
  }
}

FloatArray Rows(const std::vector<float>& values, int first, int count, int dim) {
  FloatArray array({count, dim});
  std::copy_n(values.data() + static_cast<std::ptrdiff_t>(first) * dim, static_cast<size_t>(count) * dim,
              array.mutable_data());
  return array;
}

// The encoder frames that each stream's features complete, all streams in one call.
std::vector<FloatArray> Push(const std::vector<PyEncoderStream*>& streams, const std::vector<FloatArray>& features) {
  if (streams.empty() || streams.size() != features.size()) {
    throw std::invalid_argument("streams: wanted as many as features, at least one");
  }
  const Transducer& model = *streams[0]->model;
  int total = 0;
  std::vector<EncoderRows> rows;
  for (size_t s = 0; s < streams.size(); ++s) {
    if (streams[s]->model.get() != &model) throw std::invalid_argument("streams: wanted all of one encoder");
    for (size_t t = 0; t < s; ++t) {
      if (streams[t] == streams[s]) throw std::invalid_argument("streams: wanted each stream once");
    }
    CheckFeatures(model, features[s]);
    rows.push_back({&streams[s]->cache, features[s].data(), static_cast<int>(features[s].shape(0)), 0});
    total += rows.back().num_frames;
  }
  const int num_streams = static_cast<int>(streams.size());
  const int dim = model.config().encoder_dim();
  EncoderWorkspace& workspace = streams[0]->workspace;
  std::vector<float> encoded;
  {
    py::gil_scoped_release release;
    std::vector<std::unique_lock<std::mutex>> locks;
    for (PyEncoderStream* stream : streams) locks.emplace_back(stream->mutex);
    model.encoder().Reserve(workspace, total, num_streams);
    encoded.resize(static_cast<size_t>(model.encoder().MaxOutputs(total, num_streams)) * static_cast<size_t>(dim));
    model.encoder().ForwardBatch(rows.data(), num_streams, workspace, encoded.data());
  }
  std::vector<FloatArray> results;
  int first = 0;
  for (const EncoderRows& row : rows) {
    results.push_back(Rows(encoded, first, row.num_encoded, dim));
    first += row.num_encoded;
  }
  return results;
}

}  // namespace

SV_BIND(transducer_encoder) {
  py::class_<PyEncoderStream>(module, "EncoderStream").def("push", [](PyEncoderStream& self, const FloatArray& x) {
    return Push({&self}, {x})[0];
  });
  py::class_<PyEncoder>(module, "TransducerEncoder")
      .def_static("open",
                  [](const py::bytes& path) {
                    const std::string name = path;
                    py::gil_scoped_release release;
                    const auto load = [&]() -> Result<std::shared_ptr<const Transducer>> {
                      SV_RETURN_IF_ERROR(IsaStatus());
                      SV_ASSIGN_OR_RETURN(auto artifact, Artifact::OpenFile(name));
                      SV_ASSIGN_OR_RETURN(std::unique_ptr<const Transducer> model, Transducer::Load(artifact));
                      return std::shared_ptr<const Transducer>(std::move(model));
                    };
                    auto model = load();
                    py::gil_scoped_acquire acquire;
                    return PyEncoder{ValueOrThrow(std::move(model))};
                  })
      .def("stream",
           [](const PyEncoder& self) {
             auto stream = std::make_unique<PyEncoderStream>();
             stream->model = self.model;
             self.model->encoder().Start(stream->cache);
             return stream;
           })
      .def("push_batch", [](const PyEncoder&, const std::vector<PyEncoderStream*>& streams,
                            const std::vector<FloatArray>& features) { return Push(streams, features); })
      .def("normalize",
           [](const PyEncoder& self, const FloatArray& features) {
             CheckFeatures(*self.model, features);
             FloatArray copy({features.shape(0), features.shape(1)});
             std::copy_n(features.data(), features.size(), copy.mutable_data());
             for (py::ssize_t t = 0; t < copy.shape(0); ++t) self.model->Normalize(copy.mutable_data(t, 0));
             return copy;
           })
      .def_property_readonly("num_mels", [](const PyEncoder& self) { return self.model->config().num_mels; })
      .def_property_readonly("cache_bytes", [](const PyEncoder& self) { return self.model->encoder().CacheBytes(); })
      .def_property_readonly("stride", [](const PyEncoder& self) { return self.model->config().stride; })
      .def_property_readonly("look_ahead", [](const PyEncoder& self) { return self.model->config().look_ahead; })
      .def_property_readonly("dim", [](const PyEncoder& self) { return self.model->config().encoder_dim(); })
      .def_property_readonly("max_frames", [](const PyEncoder& self) { return self.model->encoder().max_frames(); });
}

}  // namespace sottovoce::bindings
