#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

namespace sottovoce {
namespace {

Status FromErrno(const std::string& path, const char* action, int error) {
  std::string message = path + ": cannot " + action + ": " + std::generic_category().message(error);
  if (error == ENOENT || error == ENOTDIR) return NotFound(path + ": no such file");
  if (error == ENOMEM) return {StatusCode::kOutOfMemory, std::move(message)};
  return IoError(std::move(message));
}

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

Result<MappedFile> MappedFile::Open(const std::string& path) {
  if (path.empty()) return NotFound("no such file: the path is empty");
  if (path.find('\0') != std::string::npos) return InvalidArgument("the path contains a zero byte");
  int opened;
  // O_NONBLOCK: opening a pipe must report that it is no file, not wait for its writer.
  do {
    opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (opened < 0 && errno == EINTR);
  const Descriptor descriptor{opened};
  if (descriptor.value < 0) return FromErrno(path, "open", errno);
  struct stat information;
  if (::fstat(descriptor.value, &information) != 0) return FromErrno(path, "examine", errno);
  if (S_ISDIR(information.st_mode)) return InvalidArgument(path + ": wanted a file, found a directory");
  if (!S_ISREG(information.st_mode))
    return InvalidArgument(path + ": wanted a regular file, found a device, pipe or socket");
  MappedFile file;
  if (information.st_size <= 0) return file;
  if (static_cast<uint64_t>(information.st_size) > std::numeric_limits<size_t>::max()) {
    return IoError(path + ": " + std::to_string(information.st_size) + " bytes do not fit the address space");
  }
  const size_t bytes = static_cast<size_t>(information.st_size);
  void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor.value, 0);
  if (address == MAP_FAILED) return FromErrno(path, "map", errno);
  ::madvise(address, bytes, MADV_WILLNEED);  // a hint: its failure changes nothing
  file.data_ = static_cast<const uint8_t*>(address);
  file.bytes_ = bytes;
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), bytes_);
}

}  // namespace sottovoce
