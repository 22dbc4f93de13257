#include "artifact/gguf_metadata.h"

#include <cstring>
#include <utility>

#include "artifact/format.h"

namespace sottovoce {
namespace {

// GGUF value types.
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

// Bytes of one number, 0 for anything else.
size_t NumberBytes(uint32_t type) {
  switch (type) {
    case kUint8:
    case kInt8: return 1;
    case kUint16:
    case kInt16: return 2;
    case kUint32:
    case kInt32:
    case kFloat32: return 4;
    case kUint64:
    case kInt64:
    case kFloat64: return 8;
    default: return 0;
  }
}

uint64_t DecodeUnsigned(uint32_t type, const uint8_t* data) {
  return LoadLittleEndian(data, NumberBytes(type));
}

int64_t DecodeSigned(uint32_t type, const uint8_t* data) {
  const size_t bytes = NumberBytes(type);
  const uint64_t bits = LoadLittleEndian(data, bytes);
  const uint64_t sign = uint64_t{1} << (8 * bytes - 1);
  return static_cast<int64_t>((bits ^ sign) - sign);
}

double DecodeFloating(uint32_t type, const uint8_t* data) {
  const uint64_t bits = LoadLittleEndian(data, NumberBytes(type));
  if (type == kFloat64) {
    double value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  const uint32_t low = static_cast<uint32_t>(bits);
  float value;
  std::memcpy(&value, &low, sizeof(value));
  return static_cast<double>(value);
}

// Reads one entry's value; `what` is "metadata <key>".
class ValueReader {
 public:
  ValueReader(const std::string& file, const std::string& what, ByteCursor& cursor)
      : file_(file), what_(what), cursor_(cursor) {}

  Result<MetadataValue> Read(uint32_t type) {
    if (type == kArray) return ReadArray();
    if (type == kString) {
      SV_ASSIGN_OR_RETURN(const std::string_view text, cursor_.ReadString(format::kMaxStringBytes, what_));
      return MetadataValue(std::string(text));
    }
    const uint8_t* data = cursor_.here();
    if (type == kBool) {
      SV_RETURN_IF_ERROR(cursor_.Skip(1, what_));
      if (*data > 1) return Fail("a bool must be 0 or 1, found " + std::to_string(*data));
      return MetadataValue(*data == 1);
    }
    if (NumberBytes(type) == 0) return Fail("wanted a value type of 0 to 12, found " + std::to_string(type));
    SV_RETURN_IF_ERROR(cursor_.Skip(NumberBytes(type), what_));
    switch (type) {
      case kInt8:
      case kInt16:
      case kInt32:
      case kInt64: return MetadataValue(DecodeSigned(type, data));
      case kFloat32:
      case kFloat64: return MetadataValue(DecodeFloating(type, data));
      default: return MetadataValue(DecodeUnsigned(type, data));
    }
  }

 private:
  Status Fail(const std::string& problem) const { return DataLoss(file_ + ": " + what_ + ": " + problem); }

  Result<MetadataValue> ReadArray() {
    SV_ASSIGN_OR_RETURN(const uint32_t type, cursor_.ReadU32(what_));
    SV_ASSIGN_OR_RETURN(const uint64_t items, cursor_.ReadU64(what_));
    if (type != kString && NumberBytes(type) == 0) {
      return Fail("wanted an array of strings or numbers, found items of type " + std::to_string(type));
    }
    if (items > format::kMaxArrayItems) {
      return Fail("wanted at most " + std::to_string(format::kMaxArrayItems) + " items, found " +
                  std::to_string(items));
    }
    // The bytes must be there before memory is taken for them; a string spends 8 on its length.
    const uint64_t least = items * (type == kString ? 8 : NumberBytes(type));
    if (least > cursor_.remaining()) {
      return Fail("truncated: " + std::to_string(items) + " items do not fit the " +
                  std::to_string(cursor_.remaining()) + " bytes that follow");
    }
    if (type == kString) return ReadStrings(static_cast<size_t>(items));
    const uint8_t* data = cursor_.here();
    SV_RETURN_IF_ERROR(cursor_.Skip(least, what_));
    switch (type) {
      case kInt8:
      case kInt16:
      case kInt32:
      case kInt64: return Decode<int64_t>(type, data, items, &DecodeSigned);
      case kFloat32:
      case kFloat64: return Decode<double>(type, data, items, &DecodeFloating);
      default: return Decode<uint64_t>(type, data, items, &DecodeUnsigned);
    }
  }

  Result<MetadataValue> ReadStrings(size_t items) {
    std::vector<std::string> strings;
    strings.reserve(items);
    for (size_t i = 0; i < items; ++i) {
      SV_ASSIGN_OR_RETURN(const std::string_view text, cursor_.ReadString(format::kMaxStringBytes, what_));
      strings.emplace_back(text);
    }
    return MetadataValue(std::move(strings));
  }

  template <typename T>
  static MetadataValue Decode(uint32_t type, const uint8_t* data, uint64_t items,
                              T (*decode)(uint32_t, const uint8_t*)) {
    std::vector<T> numbers(static_cast<size_t>(items));
    for (T& number : numbers) {
      number = decode(type, data);
      data += NumberBytes(type);
    }
    return MetadataValue(std::move(numbers));
  }

  const std::string& file_;
  const std::string& what_;
  ByteCursor& cursor_;
};

}  // namespace

Result<GgufMetadata> ReadGgufMetadata(const std::string& file, uint64_t count, ByteCursor& cursor) {
  GgufMetadata metadata;
  for (uint64_t i = 0; i < count; ++i) {
    SV_ASSIGN_OR_RETURN(const std::string_view key, cursor.ReadName("the key of metadata entry " + std::to_string(i)));
    const std::string what = "metadata " + std::string(key);
    SV_ASSIGN_OR_RETURN(const uint32_t type, cursor.ReadU32(what));
    const size_t value_at = cursor.offset();
    SV_ASSIGN_OR_RETURN(MetadataValue value, ValueReader(file, what, cursor).Read(type));
    if (key == format::kHeaderChecksum && type == kUint32) metadata.header_checksum_at = value_at;
    if (!metadata.values.emplace(key, std::move(value)).second) return DataLoss(file + ": " + what + " appears twice");
  }
  return metadata;
}

}  // namespace sottovoce
