#include "artifact/artifact.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

#include "artifact/byte_cursor.h"
#include "artifact/format.h"
#include "artifact/gguf_parser.h"
#include "base/crc32c.h"
#include "base/sha256.h"

namespace sottovoce {
namespace {

// Messages are UTF-8; a path need not be.
std::string Printable(std::string text) {
  if (IsUtf8(text)) return text;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

}  // namespace

void AlignedDelete::operator()(uint8_t* bytes) const {
  ::operator delete (bytes, std::align_val_t{format::kAlignment});
}

const char* TensorTypeName(TensorType type) {
  switch (type) {
    case TensorType::kF32: return "F32";
    case TensorType::kF16: return "F16";
    case TensorType::kI8: return "I8";
  }
  return "unknown";
}

Result<std::shared_ptr<const Artifact>> Artifact::OpenFile(const std::string& path) {
  auto mapped = MappedFile::Open(path);
  if (!mapped.ok()) return Status(mapped.status().code(), Printable(mapped.status().message()));
  std::shared_ptr<Artifact> artifact(new Artifact());
  artifact->name_ = Printable(path);
  artifact->file_ = std::move(mapped).value();
  SV_RETURN_IF_ERROR(artifact->Read(artifact->file_.data(), artifact->file_.bytes()));
  return std::shared_ptr<const Artifact>(std::move(artifact));
}

Result<std::shared_ptr<const Artifact>> Artifact::OpenMemory(const void* data, size_t bytes) {
  if (data == nullptr && bytes > 0) return InvalidArgument("memory: wanted an artifact, found a null pointer");
  std::shared_ptr<Artifact> artifact(new Artifact());
  artifact->name_ = "memory";
  if (reinterpret_cast<uintptr_t>(data) % format::kAlignment != 0 && bytes > 0) {
    void* copy = ::operator new (bytes, std::align_val_t{format::kAlignment}, std::nothrow);
    if (copy == nullptr) {
      return Status(StatusCode::kOutOfMemory, "memory: cannot copy an artifact of " + std::to_string(bytes) + " bytes");
    }
    artifact->copy_.reset(static_cast<uint8_t*>(copy));
    data = std::memcpy(copy, data, bytes);
  }
  SV_RETURN_IF_ERROR(artifact->Read(data, bytes));
  return std::shared_ptr<const Artifact>(std::move(artifact));
}

Status Artifact::Read(const void* data, size_t bytes) {
  SV_ASSIGN_OR_RETURN(GgufContents contents, ParseGguf(name_, data, bytes));
  metadata_ = std::move(contents.metadata);
  tensors_ = std::move(contents.tensors);
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
  SV_RETURN_IF_ERROR(CheckMetadata());
  SV_RETURN_IF_ERROR(CheckHeaderChecksum(data, contents.data_at, contents.header_checksum_at));
  return CheckTensorChecksums();
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
  for (const std::string& feature : features) {
    if (std::find(std::begin(format::kFeatures), std::end(format::kFeatures), feature) == std::end(format::kFeatures)) {
      return Unsupported(name_ + ": needs the feature '" + feature + "', which this build lacks");
    }
  }
  return Status();
}

Status Artifact::CheckHeaderChecksum(const void* data, size_t header_bytes, size_t value_at) const {
  SV_ASSIGN_OR_RETURN(const uint32_t wanted, GetU32(format::kHeaderChecksum));
  const std::string key = format::kHeaderChecksum;
  if (value_at == 0) return DataLoss(name_ + ": metadata " + key + " has the wrong type, wanted u32");
  // The value's own four bytes count as zero.
  constexpr uint8_t kZero[4] = {};
  const uint8_t* begin = static_cast<const uint8_t*>(data);
  uint32_t found = Crc32c(begin, value_at);
  found = Crc32c(kZero, 4, found);
  found = Crc32c(begin + value_at + 4, header_bytes - value_at - 4, found);
  if (found == wanted) return Status();
  return DataLoss(name_ + ": the header is corrupt: its CRC32C is " + std::to_string(found) + ", " + key + " says " +
                  std::to_string(wanted));
}

Status Artifact::CheckTensorChecksums() const {
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
  if (found == metadata_.end()) return DataLoss(name_ + ": metadata " + key + " is missing, wanted " + wanted);
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

Result<std::vector<float>> Artifact::GetF32Array(const std::string& key) const {
  std::vector<float> numbers;
  if (metadata_.count(key) == 0) return numbers;
  SV_ASSIGN_OR_RETURN(const std::vector<double>* value, Get<std::vector<double>>(key, "f32 array"));
  for (double number : *value) numbers.push_back(static_cast<float>(number));
  return numbers;
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
