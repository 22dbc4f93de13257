#include <pybind11/pybind11.h>

#include "base/cpu_features.h"
#include "bindings/registry.h"

namespace py = pybind11;

namespace sottovoce::bindings {

std::vector<BindFunction>& BindFunctions() {
  static std::vector<BindFunction> functions;
  return functions;
}

void ThrowIfError(const Status& status) {
  if (status.ok()) return;
  // The exception classes live in Python, where users catch them; the code chooses one.
  py::object make = py::module_::import("sottovoce.errors").attr("from_status");
  // A message may name a file whose name is no UTF-8.
  auto message = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
      status.message().data(), static_cast<Py_ssize_t>(status.message().size()), "surrogateescape"));
  if (!message) throw py::error_already_set();
  py::object error = make(static_cast<int>(status.code()), message);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw py::error_already_set();
}

}  // namespace sottovoce::bindings

PYBIND11_MODULE(_native, module) {
  module.doc() = "The C++ runtime of Sottovoce.";
  module.attr("__version__") = SV_VERSION;
  module.def("active_isa", [] {
    sottovoce::bindings::ThrowIfError(sottovoce::IsaStatus());
    return sottovoce::IsaName(sottovoce::ActiveIsa());
  });
  for (auto bind : sottovoce::bindings::BindFunctions()) bind(module);
}
