#include "base/cpu_features.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace sottovoce {
namespace {

TEST_CASE("the active tier is one that this CPU supports") {
  MESSAGE("ISA: ", std::string(IsaName(ActiveIsa())));
  CHECK(CpuSupports(ActiveIsa()));
  CHECK(CpuSupports(Isa::kScalar));
  const char* wanted = std::getenv("SOTTOVOCE_ISA");
  if (wanted == nullptr || *wanted == '\0') CHECK(IsaStatus().ok());
}

}  // namespace
}  // namespace sottovoce
