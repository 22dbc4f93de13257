#include "base/cpu_features.h"
#include "capi/guard.h"

namespace sottovoce::capi {
namespace {

// A plain buffer: reporting that memory ran out must not need memory.
thread_local char last_error[1024] = "";

}  // namespace

sv_status Report(const Status& status) {
  if (!status.ok()) {
    const size_t length = status.message().copy(last_error, sizeof(last_error) - 1);
    last_error[length] = '\0';
  }
  return static_cast<sv_status>(status.code());
}

}  // namespace sottovoce::capi

const char* sv_version(void) {
  return SV_VERSION;
}

const char* sv_active_isa(void) {
  return sottovoce::IsaName(sottovoce::ActiveIsa());
}

const char* sv_last_error(void) {
  return sottovoce::capi::last_error;
}

const char* sv_status_name(sv_status status) {
  switch (status) {
    case SV_OK: return "ok";
    case SV_INVALID_ARGUMENT: return "invalid argument";
    case SV_NOT_FOUND: return "not found";
    case SV_DATA_LOSS: return "data loss";
    case SV_UNSUPPORTED: return "unsupported";
    case SV_IO_ERROR: return "input/output error";
    case SV_OUT_OF_MEMORY: return "out of memory";
    case SV_INTERNAL: return "internal error";
  }
  return "unknown status";
}
