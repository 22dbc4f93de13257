// A Python text argument as UTF-8, without a copy where Python has one.
#pragma once

#include <pybind11/pybind11.h>

#include <string_view>

namespace sottovoce::bindings {

// Takes str or bytes. A str with lone surrogates becomes their three-byte form, which the tokenizer reads as one U+FFFD
// each, so that character offsets still fit the caller's string.
class TextArgument {
 public:
  explicit TextArgument(const pybind11::object& text) : owner_(text) {
    if (pybind11::isinstance<pybind11::str>(text)) {
      Py_ssize_t bytes = 0;
      const char* utf8 = PyUnicode_AsUTF8AndSize(text.ptr(), &bytes);
      if (utf8 != nullptr) {
        view_ = {utf8, static_cast<size_t>(bytes)};
        return;
      }
      PyErr_Clear();
      owner_ = pybind11::reinterpret_steal<pybind11::object>(
          PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogatepass"));
      if (!owner_) throw pybind11::error_already_set();
    }
    char* data = nullptr;
    Py_ssize_t bytes = 0;
    if (PyBytes_AsStringAndSize(owner_.ptr(), &data, &bytes) != 0) throw pybind11::error_already_set();
    view_ = {data, static_cast<size_t>(bytes)};
  }

  std::string_view view() const { return view_; }

 private:
  pybind11::object owner_;
  std::string_view view_;
};

}  // namespace sottovoce::bindings
