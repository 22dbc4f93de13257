// The border of the C API: statuses become codes with a thread-local detail, and no exception crosses.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "base/status.h"
#include "sottovoce/sottovoce.h"

namespace sottovoce::capi {

// Remembers the message for sv_last_error() and returns the code.
sv_status Report(const Status& status);

// Runs body() -> Status.
template <typename Body>
sv_status Guard(Body&& body) {
  try {
    return Report(std::forward<Body>(body)());
  } catch (const std::bad_alloc&) {
    return Report(Status(StatusCode::kOutOfMemory, "out of memory"));
  } catch (const std::exception& error) {
    return Report(Status(StatusCode::kInternal, error.what()));
  } catch (...) {
    return Report(Status(StatusCode::kInternal, "unknown exception"));
  }
}

inline Status RequireNotNull(const void* pointer, const char* name) {
  return pointer != nullptr ? Status() : InvalidArgument(std::string(name) + ": must not be NULL");
}

// options may be NULL; otherwise they must say that they are no smaller than this version of their struct.
template <typename Options>
Status RequireStructSize(const Options* options, const char* name) {
  if (options == nullptr || options->struct_size >= sizeof(Options)) return Status();
  return InvalidArgument(std::string(name) + ".struct_size: wanted at least " + std::to_string(sizeof(Options)) +
                         ", found " + std::to_string(options->struct_size));
}

inline Status RequireIndex(size_t index, size_t size, const char* name) {
  return index < size ? Status()
                      : InvalidArgument(std::string(name) + ": wanted an index below " + std::to_string(size) +
                                        ", found " + std::to_string(index));
}

}  // namespace sottovoce::capi
