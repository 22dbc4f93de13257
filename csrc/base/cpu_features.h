// Which instruction-set tier the kernels of this process use.
#pragma once

#include "base/status.h"

namespace sottovoce {

// Ascending within an architecture; kScalar exists everywhere.
enum class Isa { kScalar = 0, kAvx2 = 1, kAvx512Vnni = 2, kNeon = 3, kNeonDot = 4 };

// "scalar", "avx2", "avx512vnni", "neon", "neondot": the names SOTTOVOCE_ISA takes and files end in.
const char* IsaName(Isa isa);

// True when this CPU (and its operating system) can run the tier.
bool CpuSupports(Isa isa);

// The tier in use: the best the CPU has, or what the environment variable SOTTOVOCE_ISA names. Read once.
Isa ActiveIsa();

// Not ok when SOTTOVOCE_ISA names an unknown tier or one that this CPU lacks (ActiveIsa() is then scalar). Opening a
// model returns this.
Status IsaStatus();

}  // namespace sottovoce
