#include "base/cpu_features.h"

#include <cstdlib>

#if defined(SV_ARCH_ARM64) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif
#endif

namespace sottovoce {
namespace {

constexpr Isa kAll[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvx512Vnni, Isa::kNeon, Isa::kNeonDot};

struct Choice {
  Isa isa = Isa::kScalar;
  Status status;
};

Choice Choose() {
  Choice choice;
  for (Isa isa : kAll) {
    if (CpuSupports(isa)) choice.isa = isa;
  }
  const char* wanted = std::getenv("SOTTOVOCE_ISA");
  if (wanted == nullptr || *wanted == '\0') return choice;
  for (Isa isa : kAll) {
    if (std::string(IsaName(isa)) != wanted) continue;
    if (CpuSupports(isa)) return {isa, Status()};
    return {Isa::kScalar, Unsupported(std::string("SOTTOVOCE_ISA=") + wanted +
                                      ": this CPU lacks it (best it has: " + IsaName(choice.isa) + ")")};
  }
  return {Isa::kScalar, Unsupported(std::string("SOTTOVOCE_ISA=") + wanted +
                                    ": unknown; wanted scalar, avx2, avx512vnni, neon or neondot")};
}

const Choice& Chosen() {
  static const Choice choice = Choose();
  return choice;
}

}  // namespace

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return "scalar";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512Vnni: return "avx512vnni";
    case Isa::kNeon: return "neon";
    case Isa::kNeonDot: return "neondot";
  }
  return "unknown";
}

bool CpuSupports(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return true;
#if defined(SV_ARCH_X86)
    // __builtin_cpu_supports also asks XGETBV whether the operating system saves the registers.
    case Isa::kAvx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::kAvx512Vnni:
      return CpuSupports(Isa::kAvx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni");
#elif defined(SV_ARCH_ARM64)
    case Isa::kNeon: return true;
#if defined(__linux__)
    case Isa::kNeonDot: return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
    case Isa::kNeonDot: return true;
#endif
#endif
    default: return false;
  }
}

Isa ActiveIsa() {
  return Chosen().isa;
}

Status IsaStatus() {
  return Chosen().status;
}

}  // namespace sottovoce
