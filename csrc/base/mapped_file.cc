#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sottovoce {

Result<MappedFile> MappedFile::Open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const int error = errno;
    const std::string message = path + ": " + std::strerror(error);
    return error == ENOENT || error == ENOTDIR ? NotFound(message) : IoError(message);
  }
  struct stat status = {};
  Status problem;
  void* data = nullptr;
  if (::fstat(descriptor, &status) != 0) {
    problem = IoError(path + ": " + std::strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    problem = InvalidArgument(path + ": wanted a regular file, found " +
                              (S_ISDIR(status.st_mode) ? "a directory" : "something else"));
  } else if (status.st_size > 0) {
    data = ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) problem = IoError(path + ": cannot map: " + std::strerror(errno));
  }
  ::close(descriptor);
  if (!problem.ok()) return problem;
  return MappedFile(data, static_cast<size_t>(status.st_size));
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace sottovoce
