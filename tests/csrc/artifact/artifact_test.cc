#include "artifact/artifact.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "artifact/tensor_reader.h"

using namespace sottovoce;

namespace {

const std::filesystem::path kFolder = std::filesystem::path(SV_TEST_DATA) / "broken";

std::vector<char> ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::vector<char>((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

}  // namespace

TEST_CASE("a good file opens from path and from memory") {
  auto artifact = Artifact::OpenFile((kFolder / "good.gguf").string());
  REQUIRE_MESSAGE(artifact.ok(), artifact.status().message());
  const Artifact& file = **artifact;
  CHECK(file.GetString("general.architecture").value() == "bert-intent-slot");
  CHECK(file.GetU32("sottovoce.format_version").value() == 1);
  REQUIRE(file.tensors().size() == 3);
  CHECK(file.tensors()[0].shape == std::vector<uint64_t>{4, 2});
  CHECK(static_cast<const float*>(file.tensors()[0].data)[7] == 7.0f);
  CHECK(static_cast<const uint8_t*>(file.FindTensor("second.q2r")->data)[99] == 99);
  CHECK(file.FindTensor("none") == nullptr);

  const std::vector<char> bytes = ReadFile(kFolder / "good.gguf");
  CHECK(Artifact::OpenMemory(bytes.data(), bytes.size()).ok());
  CHECK(Artifact::OpenMemory(bytes.data() + 1, bytes.size() - 1).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("metadata of another type or missing is named") {
  auto artifact = Artifact::OpenFile((kFolder / "good.gguf").string());
  REQUIRE(artifact.ok());
  const Artifact& file = **artifact;
  CHECK(file.GetF32("sottovoce.format_version").status().message().find("wanted f32") != std::string::npos);
  CHECK(file.GetString("no.key").status().message().find("no.key is missing") != std::string::npos);
  CHECK(file.GetBool("general.architecture").status().code() == StatusCode::kDataLoss);
  CHECK(file.GetStringArray("absent").value().empty());
  CHECK(file.GetStringArray("sottovoce.tensor_names").value().size() == 3);
  CHECK(file.GetU32Array("sottovoce.tensor_crc32c").value().size() == 3);
  CHECK(file.VerifySha256().code() == StatusCode::kDataLoss);
}

TEST_CASE("every broken file is refused with a message") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".broken") continue;
    CAPTURE(entry.path().string());
    const auto from_file = Artifact::OpenFile(entry.path().string());
    CHECK_FALSE(from_file.ok());
    CHECK(from_file.status().message().find(entry.path().string()) != std::string::npos);
    const std::vector<char> bytes = ReadFile(entry.path());
    CHECK_FALSE(Artifact::OpenMemory(bytes.data(), bytes.size()).ok());
    ++count;
  }
  CHECK(count >= 45);
}

TEST_CASE("a file cut anywhere is refused") {
  const std::vector<char> good = ReadFile(kFolder / "good.gguf");
  size_t end = good.size();
  while (end > 0 && good[end - 1] == 0) --end;  // the last tensor's padding may be missing
  for (size_t length = 0; length < end; ++length) {
    // A copy of just that size, so that a sanitizer sees a read past it.
    const std::vector<char> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK_FALSE(Artifact::OpenMemory(cut.data(), cut.size()).ok());
  }
}

TEST_CASE("the tensor reader checks type and size and names what nobody took") {
  auto artifact = Artifact::OpenFile((kFolder / "good.gguf").string());
  REQUIRE(artifact.ok());
  TensorReader reader(**artifact);
  CHECK(reader.Take("none", TensorType::kF32).status().message().find("none is missing") != std::string::npos);
  CHECK(reader.Take("first", TensorType::kF16).status().message().find("type F32, wanted F16") != std::string::npos);
  CHECK(reader.Take("first", TensorType::kF32, 31).status().message().find("32 bytes, wanted 31") != std::string::npos);
  CHECK(reader.Take("first", TensorType::kF32, 32).ok());
  CHECK(reader.Finish().message().find("second.q2r does not belong") != std::string::npos);
  CHECK(reader.Take("second.q2r", TensorType::kI8, 100).ok());
  CHECK(reader.Take("third.scale", TensorType::kF16).ok());
  CHECK(reader.Finish().ok());
}

TEST_CASE("what is no regular file") {
  CHECK(Artifact::OpenFile("/no/such/file").status().code() == StatusCode::kNotFound);
  CHECK(Artifact::OpenFile(kFolder.string()).status().code() == StatusCode::kInvalidArgument);
}
