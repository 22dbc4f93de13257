// A file is hostile until proven: every broken file is refused, for the right reason, from disk and from memory.
#include <cstring>
#include <string>
#include <vector>

#include "artifact/artifact.h"
#include "golden_files.h"

namespace sottovoce {
namespace {

// The step that must fail.
Status Try(const Result<std::shared_ptr<const Artifact>>& opened, const std::string& step) {
  if (step == "open") return opened.status();
  REQUIRE_MESSAGE(opened.ok(), opened.status().message());
  return (*opened)->VerifySha256();
}

TEST_CASE("every file of the broken folder is refused for its reason") {
  std::istringstream lines(ReadBytes(BrokenPath("expected.tsv")));
  std::string line;
  size_t files = 0;
  while (std::getline(lines, line)) {
    std::vector<std::string> fields(4);
    std::istringstream columns(line);
    for (std::string& column : fields) std::getline(columns, column, '\t');
    const std::string path = BrokenPath(fields[0]);
    const StatusCode wanted = fields[2] == "Unsupported" ? StatusCode::kUnsupported : StatusCode::kDataLoss;
    INFO(fields[0]);
    const Status from_file = Try(Artifact::OpenFile(path), fields[1]);
    CHECK(from_file.code() == wanted);
    CHECK_MESSAGE(from_file.message().find(fields[3]) != std::string::npos, from_file.message());
    CHECK(from_file.message().rfind(path + ": ", 0) == 0);
    const std::string bytes = ReadBytes(path);
    const Status from_memory = Try(Artifact::OpenMemory(bytes.data(), bytes.size()), fields[1]);
    CHECK(from_memory.code() == wanted);
    CHECK(from_memory.message() == "memory" + from_file.message().substr(path.size()));
    ++files;
  }
  CHECK(files >= 100);
}

// An exact copy on the heap, so that the sanitizers see a read one byte too far.
Status OpenCopy(const std::string& bytes) {
  std::unique_ptr<char[]> copy(new char[bytes.size()]);
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return Artifact::OpenMemory(copy.get(), bytes.size()).status();
}

TEST_CASE("a file cut anywhere is refused") {
  const std::string bytes = ReadBytes(BrokenPath("good.gguf"));
  for (size_t size = 0; size < bytes.size(); ++size) {
    INFO(size);
    REQUIRE(OpenCopy(bytes.substr(0, size)).code() == StatusCode::kDataLoss);
  }
  REQUIRE(OpenCopy(bytes).ok());
}

TEST_CASE("a file with any one bit flipped is refused") {
  const std::string bytes = ReadBytes(BrokenPath("good.gguf"));
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      INFO(at, " ", bit);
      const Status status = OpenCopy(flipped);
      REQUIRE_FALSE(status.ok());
      REQUIRE_FALSE(status.message().empty());
    }
  }
}

TEST_CASE("a file with any eight bytes made huge is refused") {
  const std::string bytes = ReadBytes(BrokenPath("good.gguf"));
  for (size_t at = 0; at + 8 <= bytes.size(); ++at) {
    for (const int fill : {0xFF, 0x7F, 0x00}) {
      std::string changed = bytes;
      std::memset(&changed[at], fill, 8);
      if (changed == bytes) continue;
      INFO(at, " ", fill);
      REQUIRE_FALSE(OpenCopy(changed).ok());
    }
  }
}

}  // namespace
}  // namespace sottovoce
