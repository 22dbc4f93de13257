// Status and Result<T>: how every fallible function reports. A message names the thing, what was wanted, what was
// found.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace sottovoce {

enum class StatusCode {
  kOk = 0,
  kInvalidArgument = 1,  // the caller's value is wrong
  kNotFound = 2,         // no such file, model or name
  kDataLoss = 3,         // an artifact or audio file is corrupt or truncated
  kUnsupported = 4,      // well formed, but of a kind, version or ISA this build or CPU lacks
  kIoError = 5,          // the operating system said no
  kOutOfMemory = 6,
  kInternal = 7,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}
  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status InvalidArgument(std::string message) {
  return {StatusCode::kInvalidArgument, std::move(message)};
}
inline Status NotFound(std::string message) {
  return {StatusCode::kNotFound, std::move(message)};
}
inline Status DataLoss(std::string message) {
  return {StatusCode::kDataLoss, std::move(message)};
}
inline Status Unsupported(std::string message) {
  return {StatusCode::kUnsupported, std::move(message)};
}
inline Status IoError(std::string message) {
  return {StatusCode::kIoError, std::move(message)};
}

// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}
  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

#define SV_CONCAT_INNER(a, b) a##b
#define SV_CONCAT(a, b) SV_CONCAT_INNER(a, b)
#define SV_RETURN_IF_ERROR(expression)             \
  do {                                             \
    ::sottovoce::Status sv_status_ = (expression); \
    if (!sv_status_.ok()) return sv_status_;       \
  } while (false)
#define SV_ASSIGN_OR_RETURN(declaration, expression)                                          \
  auto SV_CONCAT(sv_result_, __LINE__) = (expression);                                        \
  if (!SV_CONCAT(sv_result_, __LINE__).ok()) return SV_CONCAT(sv_result_, __LINE__).status(); \
  declaration = std::move(SV_CONCAT(sv_result_, __LINE__)).value()

}  // namespace sottovoce
