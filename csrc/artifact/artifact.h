// One GGUF v3 file, validated; docs/artifact_format.md. Immutable and shared between threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "base/status.h"

namespace sottovoce {

// The GGUF tensor types that artifacts use; anything else is refused.
enum class TensorType : uint32_t { kF32 = 0, kF16 = 1, kI8 = 24 };

const char* TensorTypeName(TensorType type);

struct TensorView {
  std::string name;
  TensorType type = TensorType::kI8;
  std::vector<uint64_t> shape;  // GGUF order: the fastest dimension first
  const void* data = nullptr;   // aligned to 64 bytes
  size_t bytes = 0;
};

using MetadataValue = std::variant<uint64_t, int64_t, double, bool, std::string, std::vector<std::string>,
                                   std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>>;

struct AlignedDelete {
  void operator()(uint8_t* bytes) const;
};

class Artifact {
 public:
  static constexpr uint32_t kFormatVersion = 1;

  // Checks everything but the SHA-256: structure, ranges, format version, required features, the CRC32C of the header
  // and of every tensor.
  static Result<std::shared_ptr<const Artifact>> OpenFile(const std::string& path);
  // The caller keeps `data` alive and unchanged as long as the artifact lives. Nothing is copied when `data` is aligned
  // to 64 bytes; otherwise the artifact makes one aligned copy.
  static Result<std::shared_ptr<const Artifact>> OpenMemory(const void* data, size_t bytes);

  const std::string& name() const { return name_; }  // the path, or "memory": what messages begin with
  const std::map<std::string, MetadataValue>& metadata() const { return metadata_; }
  const std::vector<TensorView>& tensors() const { return tensors_; }  // in file order
  const TensorView* FindTensor(const std::string& name) const;         // null: none

  // A missing key or one of another type is an error that names it; of the arrays, an absent one is empty.
  Result<uint32_t> GetU32(const std::string& key) const;
  Result<float> GetF32(const std::string& key) const;
  Result<bool> GetBool(const std::string& key) const;
  Result<std::string> GetString(const std::string& key) const;
  Result<std::vector<std::string>> GetStringArray(const std::string& key) const;
  Result<std::vector<uint32_t>> GetU32Array(const std::string& key) const;
  Result<std::vector<float>> GetF32Array(const std::string& key) const;

  // Compares the SHA-256 over names and bytes of all tensors with the metadata.
  Status VerifySha256() const;

 private:
  Artifact() = default;
  Status Read(const void* data, size_t bytes);
  Status CheckMetadata() const;
  Status CheckHeaderChecksum(const void* data, size_t header_bytes, size_t value_at) const;
  Status CheckTensorChecksums() const;
  template <typename T>
  Result<const T*> Get(const std::string& key, const char* wanted) const;

  std::string name_;
  MappedFile file_;
  std::unique_ptr<uint8_t, AlignedDelete> copy_;  // of unaligned memory
  std::map<std::string, MetadataValue> metadata_;
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t> index_;
};

}  // namespace sottovoce
