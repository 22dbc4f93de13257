#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>

#include "bindings/registry.h"
#include "bindings/text_argument.h"
#include "pipeline/intent_parser.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace sottovoce::bindings {
namespace {

// The parser, and what it must keep alive: the bytes of an artifact opened from memory.
struct PyIntentParser {
  std::shared_ptr<const IntentParser> parser;
  py::object memory;
};

py::tuple Parse(const PyIntentParser& self, const py::object& text, int top_k) {
  const TextArgument utf8(text);
  ParseResult result;
  {
    py::gil_scoped_release release;
    result = self.parser->Parse(utf8.view(), top_k);
  }
  py::list intents, slots;
  for (const IntentScore& intent : result.intents) intents.append(py::make_tuple(intent.name, intent.score));
  for (const Slot& slot : result.slots) slots.append(py::make_tuple(slot.name, slot.start, slot.end, slot.score));
  return py::make_tuple(intents, slots, result.out_of_scope, result.warnings);
}

}  // namespace

SV_BIND(intent_parser) {
  py::class_<PyIntentParser>(module, "IntentParser")
      .def_static(
          "open",
          [](const py::bytes& path, float width, float depth) {
            const std::string name = path;
            py::gil_scoped_release release;
            auto parser = IntentParser::Open(name, {width, depth});
            py::gil_scoped_acquire acquire;
            return PyIntentParser{ValueOrThrow(std::move(parser)), py::none()};
          },
          "path"_a, "width"_a = 1.0f, "depth"_a = 1.0f)
      .def_static(
          "open_memory",
          [](const py::bytes& data, float width, float depth) {
            const std::string_view view = data;
            auto parser = IntentParser::OpenMemory(view.data(), view.size(), {width, depth});
            return PyIntentParser{ValueOrThrow(std::move(parser)), data};
          },
          "data"_a, "width"_a = 1.0f, "depth"_a = 1.0f)
      .def("parse", &Parse)
      .def_property_readonly(
          "tokenizer", [](const PyIntentParser& self) { return &self.parser->tokenizer(); },
          py::return_value_policy::reference_internal)
      .def_property_readonly("intent_labels",
                             [](const PyIntentParser& self) { return self.parser->model().intent_labels(); })
      .def_property_readonly("slot_labels",
                             [](const PyIntentParser& self) { return self.parser->model().slot_labels(); });
}

}  // namespace sottovoce::bindings
