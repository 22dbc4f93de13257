#include "base/mapped_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

namespace sottovoce {
namespace {

// A directory for one test, emptied of the named files at the end.
struct Scratch {
  std::string path = "/tmp/sottovoce-mapped-XXXXXX";
  Scratch() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Scratch() {
    for (const char* name : {"file", "pipe"}) unlink(Of(name).c_str());
    rmdir(path.c_str());
  }
  std::string Of(const char* name) const { return path + "/" + name; }
  std::string Write(const std::string& text) const {
    std::FILE* file = std::fopen(Of("file").c_str(), "wb");
    REQUIRE(file != nullptr);
    REQUIRE(std::fwrite(text.data(), 1, text.size(), file) == text.size());
    std::fclose(file);
    return Of("file");
  }
};

TEST_CASE("a mapped file has the file's bytes, also after a move") {
  const Scratch scratch;
  auto opened = MappedFile::Open(scratch.Write("sotto voce"));
  REQUIRE(opened.ok());
  MappedFile file = std::move(opened).value();
  REQUIRE(file.bytes() == 10);
  CHECK(std::memcmp(file.data(), "sotto voce", 10) == 0);
  MappedFile other;
  CHECK(other.data() == nullptr);
  other = std::move(file);
  CHECK(std::memcmp(other.data(), "sotto voce", 10) == 0);
}

TEST_CASE("an empty file maps to nothing") {
  const Scratch scratch;
  const auto opened = MappedFile::Open(scratch.Write(""));
  REQUIRE(opened.ok());
  CHECK(opened->data() == nullptr);
  CHECK(opened->bytes() == 0);
}

TEST_CASE("what is no file is refused by name, and a pipe does not block") {
  const Scratch scratch;
  const auto status = [](const std::string& path) { return MappedFile::Open(path).status(); };
  CHECK(status(scratch.Of("none")).code() == StatusCode::kNotFound);
  CHECK(status(scratch.Of("none")).message() == scratch.Of("none") + ": no such file");
  CHECK(status("").code() == StatusCode::kNotFound);
  CHECK(status(std::string("a\0b", 3)).code() == StatusCode::kInvalidArgument);
  CHECK(status(scratch.path).message() == scratch.path + ": wanted a file, found a directory");
  REQUIRE(mkfifo(scratch.Of("pipe").c_str(), 0600) == 0);
  CHECK(status(scratch.Of("pipe")).code() == StatusCode::kInvalidArgument);
  CHECK(status("/dev/null").code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sottovoce
