// A whole file, mapped read-only.
#pragma once

#include <cstddef>
#include <string>

#include "base/status.h"

namespace sottovoce {

class MappedFile {
 public:
  // Refuses what is no regular file. An empty file has data() == nullptr.
  static Result<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  MappedFile(void* data, size_t bytes) : data_(data), bytes_(bytes) {}

  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace sottovoce
