// How each room adds its part of the module `sottovoce._native`: SV_BIND(room) { module.def(...); } in bind_<room>.cc.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "base/status.h"

namespace sottovoce::bindings {

using BindFunction = void (*)(pybind11::module_& module);

std::vector<BindFunction>& BindFunctions();

struct Registrar {
  explicit Registrar(BindFunction function) { BindFunctions().push_back(function); }
};

// Raises the Python exception of sottovoce.errors that belongs to the status; returns when it is ok.
void ThrowIfError(const Status& status);

template <typename T>
T ValueOrThrow(Result<T> result) {
  ThrowIfError(result.status());
  return std::move(result).value();
}

}  // namespace sottovoce::bindings

#define SV_BIND(room)                                                            \
  static void Bind_##room(pybind11::module_& module);                            \
  static const ::sottovoce::bindings::Registrar kRegistrar_##room(&Bind_##room); \
  static void Bind_##room(pybind11::module_& module)
