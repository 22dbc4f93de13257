// libFuzzer target: any bytes through the artifact reader are an error with a message, or an artifact whose every view
// can be read. The checksums stop most inputs at the door, so the parser behind them is also called alone.
//   build/tests/fuzz/fuzz_artifact -max_total_time=60 NEW_CORPUS tests/golden/broken
#include <cstdint>
#include <cstdlib>
#include <string>

#include "artifact/artifact.h"
#include "artifact/gguf_parser.h"
#include "artifact/tensor_reader.h"

namespace {

using sottovoce::Artifact;
using sottovoce::TensorReader;
using sottovoce::TensorView;

void Require(bool condition) {
  if (!condition) std::abort();
}

// Reads every byte of the tensors, so that the sanitizers see a range that leaves the input.
void ReadTensors(const std::vector<TensorView>& tensors, const uint8_t* begin, const uint8_t* end) {
  uint64_t sum = 0;
  for (const TensorView& view : tensors) {
    const uint8_t* data = static_cast<const uint8_t*>(view.data);
    Require(view.shape.size() >= 1 && view.shape.size() <= 4 && view.bytes >= 1);
    Require(begin == nullptr || (data >= begin && data + view.bytes <= end));
    for (size_t i = 0; i < view.bytes; ++i) sum += data[i];
    begin = begin == nullptr ? nullptr : data + view.bytes;  // the next one lies behind it
  }
  volatile uint64_t kept = sum;
  (void)kept;
}

void UseArtifact(const Artifact& artifact) {
  ReadTensors(artifact.tensors(), nullptr, nullptr);
  TensorReader reader(artifact);
  for (const TensorView& view : artifact.tensors()) Require(reader.Take(view.name, view.type, view.bytes).ok());
  Require(reader.Finish().ok());
  for (const auto& [key, value] : artifact.metadata()) {
    (void)artifact.GetU32(key).ok();
    (void)artifact.GetF32(key).ok();
    (void)artifact.GetBool(key).ok();
    (void)artifact.GetString(key).ok();
    (void)artifact.GetStringArray(key).ok();
    (void)artifact.GetU32Array(key).ok();
  }
  (void)artifact.VerifySha256().ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto artifact = Artifact::OpenMemory(data, size);
  if (artifact.ok()) {
    UseArtifact(**artifact);
  } else {
    Require(!artifact.status().message().empty());
  }
  const auto contents = sottovoce::ParseGguf("input", data, size);
  if (contents.ok()) {
    Require(contents->data_at <= size && contents->header_checksum_at < contents->data_at);
    ReadTensors(contents->tensors, data + contents->data_at, data + size);
  } else {
    Require(!artifact.ok() && !contents.status().message().empty());
  }
  return 0;
}
