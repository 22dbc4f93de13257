#include "artifact/artifact.h"

#include <utility>

#include "artifact/gguf_parser.h"
#include "base/crc32c.h"
#include "base/sha256.h"

namespace sottovoce {

const char* TensorTypeName(TensorType type) {
  switch (type) {
    case TensorType::kF32: return "F32";
    case TensorType::kF16: return "F16";
    case TensorType::kI8: return "I8";
  }
  return "unknown";
}

Result<std::shared_ptr<const Artifact>> Artifact::OpenFile(const std::string& path) {
  SV_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  auto file = std::make_unique<MappedFile>(std::move(mapped));
  const void* data = file->data();
  const size_t bytes = file->bytes();
  return Open(path, data, bytes, std::move(file));
}

Result<std::shared_ptr<const Artifact>> Artifact::OpenMemory(const void* data, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(data) % 4 != 0) {
    return InvalidArgument("memory: the artifact must be aligned to 4 bytes");
  }
  return Open("memory", data, bytes, nullptr);
}

Result<std::shared_ptr<const Artifact>> Artifact::Open(std::string name, const void* data, size_t bytes,
                                                       std::unique_ptr<MappedFile> file) {
  SV_ASSIGN_OR_RETURN(GgufContents contents, ParseGguf(name, data, bytes));
  std::shared_ptr<Artifact> artifact(new Artifact());
  artifact->name_ = std::move(name);
  artifact->file_ = std::move(file);
  artifact->metadata_ = std::move(contents.metadata);
  artifact->tensors_ = std::move(contents.tensors);
  for (size_t i = 0; i < artifact->tensors_.size(); ++i) artifact->index_[artifact->tensors_[i].name] = i;
  SV_RETURN_IF_ERROR(artifact->CheckMetadata());
  SV_RETURN_IF_ERROR(artifact->CheckChecksums());
  return std::shared_ptr<const Artifact>(std::move(artifact));
}

const TensorView* Artifact::FindTensor(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

Status Artifact::CheckMetadata() const {
  SV_RETURN_IF_ERROR(GetString("general.architecture").status());
  SV_ASSIGN_OR_RETURN(const uint32_t version, GetU32("sottovoce.format_version"));
  if (version == 0 || version > kFormatVersion) {
    return Unsupported(name_ + ": sottovoce.format_version is " + std::to_string(version) +
                       ", this build reads up to " + std::to_string(kFormatVersion));
  }
  SV_ASSIGN_OR_RETURN(const std::vector<std::string> features, GetStringArray("sottovoce.required_features"));
  if (!features.empty()) {
    return Unsupported(name_ + ": needs the feature '" + features[0] + "', which this build lacks");
  }
  return Status();
}

Status Artifact::CheckChecksums() const {
  SV_ASSIGN_OR_RETURN(const std::vector<std::string> names, GetStringArray("sottovoce.tensor_names"));
  SV_ASSIGN_OR_RETURN(const std::vector<uint32_t> checksums, GetU32Array("sottovoce.tensor_crc32c"));
  if (names.size() != tensors_.size() || checksums.size() != tensors_.size()) {
    return DataLoss(name_ + ": " + std::to_string(tensors_.size()) + " tensors, but sottovoce.tensor_names has " +
                    std::to_string(names.size()) + " entries and sottovoce.tensor_crc32c " +
                    std::to_string(checksums.size()));
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (names[i] != tensors_[i].name) {
      return DataLoss(name_ + ": tensor " + tensors_[i].name + " stands where sottovoce.tensor_names has " + names[i]);
    }
    if (Crc32c(tensors_[i].data, tensors_[i].bytes) != checksums[i]) {
      return DataLoss(name_ + ": tensor " + names[i] + " is corrupt: its bytes do not have the CRC32C in the metadata");
    }
  }
  return Status();
}

Status Artifact::VerifySha256() const {
  SV_ASSIGN_OR_RETURN(const std::string wanted, GetString("sottovoce.sha256"));
  Sha256 digest;
  for (const TensorView& tensor : tensors_) {
    digest.Update(tensor.name.c_str(), tensor.name.size() + 1);  // with its terminating zero
    digest.Update(tensor.data, tensor.bytes);
  }
  const std::string found = digest.Finish();
  if (found == wanted) return Status();
  return DataLoss(name_ + ": the SHA-256 of the tensors is " + found + ", sottovoce.sha256 says " + wanted);
}

template <typename T>
Result<const T*> Artifact::Get(const std::string& key, const char* wanted) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return DataLoss(name_ + ": metadata " + key + " is missing");
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) return DataLoss(name_ + ": metadata " + key + " has the wrong type, wanted " + wanted);
  return value;
}

Result<uint32_t> Artifact::GetU32(const std::string& key) const {
  SV_ASSIGN_OR_RETURN(const uint64_t* value, Get<uint64_t>(key, "u32"));
  if (*value > UINT32_MAX) return DataLoss(name_ + ": metadata " + key + " does not fit in 32 bits");
  return static_cast<uint32_t>(*value);
}

Result<float> Artifact::GetF32(const std::string& key) const {
  SV_ASSIGN_OR_RETURN(const double* value, Get<double>(key, "f32"));
  return static_cast<float>(*value);
}

Result<bool> Artifact::GetBool(const std::string& key) const {
  SV_ASSIGN_OR_RETURN(const bool* value, Get<bool>(key, "bool"));
  return *value;
}

Result<std::string> Artifact::GetString(const std::string& key) const {
  SV_ASSIGN_OR_RETURN(const std::string* value, Get<std::string>(key, "string"));
  return *value;
}

Result<std::vector<std::string>> Artifact::GetStringArray(const std::string& key) const {
  if (metadata_.count(key) == 0) return std::vector<std::string>();
  SV_ASSIGN_OR_RETURN(const std::vector<std::string>* value, Get<std::vector<std::string>>(key, "string array"));
  return *value;
}

Result<std::vector<uint32_t>> Artifact::GetU32Array(const std::string& key) const {
  std::vector<uint32_t> numbers;
  if (metadata_.count(key) == 0) return numbers;
  SV_ASSIGN_OR_RETURN(const std::vector<uint64_t>* value, Get<std::vector<uint64_t>>(key, "u32 array"));
  for (uint64_t number : *value) {
    if (number > UINT32_MAX) return DataLoss(name_ + ": metadata " + key + " does not fit in 32 bits");
    numbers.push_back(static_cast<uint32_t>(number));
  }
  return numbers;
}

}  // namespace sottovoce
