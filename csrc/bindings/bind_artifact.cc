#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>

#include "artifact/artifact.h"
#include "bindings/registry.h"

namespace py = pybind11;

namespace sottovoce::bindings {

SV_BIND(artifact) {
  py::class_<Artifact, std::shared_ptr<Artifact>>(module, "Artifact")
      .def_static("open",
                  [](const py::bytes& path) {
                    const std::string name = path;
                    auto artifact = [&name] {
                      py::gil_scoped_release release;  // the checksums read the whole file
                      return Artifact::OpenFile(name);
                    }();
                    return std::const_pointer_cast<Artifact>(ValueOrThrow(std::move(artifact)));
                  })
      .def_property_readonly("metadata",
                             [](const Artifact& artifact) {
                               py::dict metadata;
                               for (const auto& [key, value] : artifact.metadata()) metadata[py::str(key)] = value;
                               return metadata;
                             })
      .def_property_readonly("tensors",
                             [](const Artifact& artifact) {
                               py::list tensors;
                               for (const TensorView& view : artifact.tensors()) {
                                 tensors.append(py::make_tuple(view.name, TensorTypeName(view.type),
                                                               py::tuple(py::cast(view.shape)), view.bytes));
                               }
                               return tensors;
                             })
      .def("verify", [](const Artifact& artifact) {
        Status status;
        {
          py::gil_scoped_release release;
          status = artifact.VerifySha256();
        }
        ThrowIfError(status);
      });
}

}  // namespace sottovoce::bindings
