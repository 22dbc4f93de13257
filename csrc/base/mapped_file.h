// A whole file mapped read-only: the one place of the artifact path that talks to the operating system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace sottovoce {

// Owns the mapping; moved, never copied. Pages are private and read-only, and shared between processes by the page
// cache. The file must not be shortened while it is mapped (the system would then deliver SIGBUS): replace it by rename
// instead.
class MappedFile {
 public:
  // Refuses what is not a regular file. An empty file gives a null data() and zero bytes().
  static Result<MappedFile> Open(const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const uint8_t* data() const { return data_; }  // page aligned
  size_t bytes() const { return bytes_; }

 private:
  const uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace sottovoce
