// Any bytes through the artifact reader: an error or a valid artifact, never a crash.
#include <cstddef>
#include <cstdint>

#include "artifact/artifact.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // libFuzzer's buffers come from malloc: aligned, and of just this size.
  const auto artifact = sottovoce::Artifact::OpenMemory(data, size);
  if (!artifact.ok() && artifact.status().message().empty()) __builtin_trap();
  if (artifact.ok()) (void)(*artifact)->VerifySha256();
  return 0;
}
