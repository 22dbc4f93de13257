#include "artifact/gguf_parser.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace sottovoce {
namespace {

// Caps on what a file may claim: far above any model of ours, far below what would hurt.
constexpr uint64_t kMaxEntries = 4096;
constexpr uint64_t kMaxTensors = 1 << 16;
constexpr uint64_t kMaxNameBytes = 256;
constexpr uint64_t kMaxStringBytes = 1 << 24;
constexpr uint64_t kMaxArrayLength = 1 << 20;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kAlignment = 64;

enum ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

bool IsUtf8(const std::string& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    const unsigned char lead = byte(i);
    const size_t length = lead < 0x80                   ? 1
                          : lead >= 0xC2 && lead < 0xE0 ? 2
                          : lead >= 0xE0 && lead < 0xF0 ? 3
                          : lead >= 0xF0 && lead < 0xF5 ? 4
                                                        : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    }
    if ((lead == 0xE0 && byte(i + 1) < 0xA0) || (lead == 0xED && byte(i + 1) >= 0xA0) ||
        (lead == 0xF0 && byte(i + 1) < 0x90) || (lead == 0xF4 && byte(i + 1) >= 0x90)) {
      return false;
    }
    i += length;
  }
  return true;
}

class Parser {
 public:
  Parser(const std::string& name, const void* data, size_t bytes)
      : name_(name), begin_(static_cast<const char*>(data)), bytes_(bytes) {}

  Result<GgufContents> Parse();

 private:
  Status Fail(const std::string& what) const { return DataLoss(name_ + ": " + what); }
  size_t left() const { return bytes_ - position_; }

  template <typename T>
  Status Read(const char* what, T* value) {
    if (left() < sizeof(T)) {
      return Fail(std::string("ends within ") + what + ", at byte " + std::to_string(bytes_));
    }
    std::memcpy(value, begin_ + position_, sizeof(T));
    position_ += sizeof(T);
    return Status();
  }

  Status ReadString(const char* what, uint64_t most, std::string* text) {
    uint64_t length = 0;
    SV_RETURN_IF_ERROR(Read(what, &length));
    if (length > most || length > left()) {
      return Fail(std::string(what) + " claims " + std::to_string(length) + " bytes; at most " +
                  std::to_string(std::min<uint64_t>(most, left())) + " are possible");
    }
    text->assign(begin_ + position_, static_cast<size_t>(length));
    position_ += static_cast<size_t>(length);
    if (!IsUtf8(*text)) return Fail(std::string(what) + " is not valid UTF-8");
    return Status();
  }

  Status ReadCount(const char* what, uint64_t most, uint64_t* count) {
    SV_RETURN_IF_ERROR(Read(what, count));
    if (*count > most) {
      return Fail(std::string(what) + " is " + std::to_string(*count) + ", wanted at most " + std::to_string(most));
    }
    return Status();
  }

  template <typename Stored, typename Kept>
  Status ReadNumber(Kept* value) {
    Stored stored = 0;
    SV_RETURN_IF_ERROR(Read("a metadata value", &stored));
    *value = static_cast<Kept>(stored);
    return Status();
  }

  Status ReadUnsigned(uint32_t type, uint64_t* value) {
    if (type == kUint8) return ReadNumber<uint8_t>(value);
    if (type == kUint16) return ReadNumber<uint16_t>(value);
    if (type == kUint32) return ReadNumber<uint32_t>(value);
    return ReadNumber<uint64_t>(value);
  }
  Status ReadSigned(uint32_t type, int64_t* value) {
    if (type == kInt8) return ReadNumber<int8_t>(value);
    if (type == kInt16) return ReadNumber<int16_t>(value);
    if (type == kInt32) return ReadNumber<int32_t>(value);
    return ReadNumber<int64_t>(value);
  }
  Status ReadFloating(uint32_t type, double* value) {
    return type == kFloat32 ? ReadNumber<float>(value) : ReadNumber<double>(value);
  }

  static bool IsUnsigned(uint32_t t) { return t == kUint8 || t == kUint16 || t == kUint32 || t == kUint64; }
  static bool IsSigned(uint32_t t) { return t == kInt8 || t == kInt16 || t == kInt32 || t == kInt64; }

  template <typename T, typename ReadOne>
  Status ReadArray(uint64_t length, size_t least_bytes, MetadataValue* value, ReadOne&& read_one) {
    // The bytes must be there before room is made for them.
    if (length > left() / least_bytes) return Fail("a metadata array is longer than the file");
    std::vector<T> items(static_cast<size_t>(length));
    for (T& item : items) SV_RETURN_IF_ERROR(read_one(&item));
    *value = std::move(items);
    return Status();
  }

  Status ReadArrayValue(const std::string& key, MetadataValue* value);
  Status ReadValue(const std::string& key, MetadataValue* value);
  Status ReadEntries(uint64_t count);
  Status ReadTensorInfo(TensorView* view, uint64_t* offset);
  Status PlaceTensors(const std::vector<uint64_t>& offsets);

  const std::string& name_;
  const char* begin_;
  size_t bytes_;
  size_t position_ = 0;
  GgufContents contents_;
};

Status Parser::ReadArrayValue(const std::string& key, MetadataValue* value) {
  uint32_t type = 0;
  uint64_t length = 0;
  SV_RETURN_IF_ERROR(Read("an array's type", &type));
  SV_RETURN_IF_ERROR(ReadCount("an array's length", kMaxArrayLength, &length));
  if (type == kString) {
    return ReadArray<std::string>(length, sizeof(uint64_t), value, [&](std::string* item) {
      return ReadString("a string of an array", kMaxStringBytes, item);
    });
  }
  if (IsUnsigned(type)) {
    return ReadArray<uint64_t>(length, 1, value, [&](uint64_t* item) { return ReadUnsigned(type, item); });
  }
  if (IsSigned(type)) {
    return ReadArray<int64_t>(length, 1, value, [&](int64_t* item) { return ReadSigned(type, item); });
  }
  if (type == kFloat32 || type == kFloat64) {
    return ReadArray<double>(length, 4, value, [&](double* item) { return ReadFloating(type, item); });
  }
  return Fail("metadata " + key + " is an array of type " + std::to_string(type) + ", which is not used here");
}

Status Parser::ReadValue(const std::string& key, MetadataValue* value) {
  uint32_t type = 0;
  SV_RETURN_IF_ERROR(Read("a metadata type", &type));
  if (type == kArray) return ReadArrayValue(key, value);
  if (type == kString) {
    std::string text;
    SV_RETURN_IF_ERROR(ReadString("a metadata string", kMaxStringBytes, &text));
    *value = std::move(text);
    return Status();
  }
  if (type == kBool) {
    uint8_t byte = 0;
    SV_RETURN_IF_ERROR(Read("a metadata value", &byte));
    if (byte > 1) return Fail("metadata " + key + " is a bool of value " + std::to_string(byte));
    *value = byte == 1;
    return Status();
  }
  if (IsUnsigned(type)) {
    uint64_t number = 0;
    SV_RETURN_IF_ERROR(ReadUnsigned(type, &number));
    *value = number;
    return Status();
  }
  if (IsSigned(type)) {
    int64_t number = 0;
    SV_RETURN_IF_ERROR(ReadSigned(type, &number));
    *value = number;
    return Status();
  }
  if (type == kFloat32 || type == kFloat64) {
    double number = 0;
    SV_RETURN_IF_ERROR(ReadFloating(type, &number));
    *value = number;
    return Status();
  }
  return Fail("metadata " + key + " has the unknown type " + std::to_string(type));
}

Status Parser::ReadEntries(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    std::string key;
    MetadataValue value;
    SV_RETURN_IF_ERROR(ReadString("a metadata key", kMaxNameBytes, &key));
    SV_RETURN_IF_ERROR(ReadValue(key, &value));
    if (!contents_.metadata.emplace(key, std::move(value)).second) return Fail("metadata " + key + " appears twice");
  }
  return Status();
}

Status Parser::ReadTensorInfo(TensorView* view, uint64_t* offset) {
  SV_RETURN_IF_ERROR(ReadString("a tensor's name", kMaxNameBytes, &view->name));
  const std::string who = "tensor " + view->name;
  uint32_t dimensions = 0, type = 0;
  SV_RETURN_IF_ERROR(Read("a tensor's rank", &dimensions));
  if (dimensions < 1 || dimensions > kMaxDimensions) {
    return Fail(who + " has " + std::to_string(dimensions) + " dimensions, wanted 1 to 4");
  }
  uint64_t elements = 1;
  for (uint32_t d = 0; d < dimensions; ++d) {
    uint64_t size = 0;
    SV_RETURN_IF_ERROR(Read("a tensor's shape", &size));
    if (size == 0 || size > bytes_ / elements) {
      return Fail(who + " has a dimension of " + std::to_string(size) + ", more than the file can hold or none");
    }
    elements *= size;
    view->shape.push_back(size);
  }
  SV_RETURN_IF_ERROR(Read("a tensor's type", &type));
  view->type = static_cast<TensorType>(type);
  const size_t width = view->type == TensorType::kF32   ? 4
                       : view->type == TensorType::kF16 ? 2
                       : view->type == TensorType::kI8  ? 1
                                                        : 0;
  if (width == 0) return Fail(who + " has type " + std::to_string(type) + ", wanted F32 (0), F16 (1) or I8 (24)");
  view->bytes = static_cast<size_t>(elements) * width;  // elements <= bytes_, so this cannot overflow on 64 bits
  return Read("a tensor's offset", offset);
}

// Tensors lie one after the other, each at the next multiple of the alignment, and the last one ends the file.
Status Parser::PlaceTensors(const std::vector<uint64_t>& offsets) {
  const auto align = [](uint64_t value) { return (value + kAlignment - 1) / kAlignment * kAlignment; };
  const uint64_t start = align(position_);
  uint64_t expected = 0;
  for (size_t i = 0; i < offsets.size(); ++i) {
    TensorView& view = contents_.tensors[i];
    if (offsets[i] != expected) {
      return Fail("tensor " + view.name + " is at offset " + std::to_string(offsets[i]) + ", wanted " +
                  std::to_string(expected) + " (tensors follow each other, aligned to 64 bytes)");
    }
    if (start + expected > bytes_ || view.bytes > bytes_ - start - expected) {
      return Fail("tensor " + view.name + " of " + std::to_string(view.bytes) +
                  " bytes reaches past the end of the file");
    }
    view.data = begin_ + start + expected;
    expected = align(expected + view.bytes);
  }
  // Writers may or may not pad after the last tensor.
  const uint64_t end = offsets.empty() ? position_ : start + expected;
  if (bytes_ > end) return Fail(std::to_string(bytes_ - end) + " bytes follow the last tensor");
  return Status();
}

Result<GgufContents> Parser::Parse() {
  char magic[4] = {};
  uint32_t version = 0;
  uint64_t num_tensors = 0, num_entries = 0;
  if (bytes_ == 0) return Fail("is empty, wanted a GGUF file");
  SV_RETURN_IF_ERROR(Read("the magic", &magic));
  if (std::memcmp(magic, "GGUF", 4) != 0) return Fail("is not a GGUF file: it does not begin with 'GGUF'");
  SV_RETURN_IF_ERROR(Read("the header", &version));
  if (version != 3) {
    const std::string found = version == 0x03000000 ? "3, big-endian" : std::to_string(version);
    return Unsupported(name_ + ": is GGUF version " + found + ", wanted 3, little-endian");
  }
  SV_RETURN_IF_ERROR(ReadCount("the number of tensors", kMaxTensors, &num_tensors));
  SV_RETURN_IF_ERROR(ReadCount("the number of metadata entries", kMaxEntries, &num_entries));
  SV_RETURN_IF_ERROR(ReadEntries(num_entries));
  const auto alignment = contents_.metadata.find("general.alignment");
  const uint64_t* found = alignment == contents_.metadata.end() ? nullptr : std::get_if<uint64_t>(&alignment->second);
  if (found == nullptr || *found != kAlignment) {
    return Unsupported(name_ + ": general.alignment is " + (found ? std::to_string(*found) : "missing") +
                       ", wanted 64");
  }
  std::vector<uint64_t> offsets;
  std::set<std::string> names;
  for (uint64_t i = 0; i < num_tensors; ++i) {
    TensorView view;
    uint64_t offset = 0;
    SV_RETURN_IF_ERROR(ReadTensorInfo(&view, &offset));
    if (!names.insert(view.name).second) return Fail("tensor " + view.name + " appears twice");
    contents_.tensors.push_back(std::move(view));
    offsets.push_back(offset);
  }
  SV_RETURN_IF_ERROR(PlaceTensors(offsets));
  return std::move(contents_);
}

}  // namespace

Result<GgufContents> ParseGguf(const std::string& name, const void* data, size_t bytes) {
  return Parser(name, data, bytes).Parse();
}

}  // namespace sottovoce
