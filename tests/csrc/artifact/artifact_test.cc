#include "artifact/artifact.h"

#include <cstring>
#include <vector>

#include "golden_files.h"

namespace sottovoce {
namespace {

std::shared_ptr<const Artifact> OpenGood() {
  auto opened = Artifact::OpenFile(BrokenPath("good.gguf"));
  REQUIRE_MESSAGE(opened.ok(), opened.status().message());
  return *opened;
}

TEST_CASE("metadata come back with their types and values") {
  const auto artifact = OpenGood();
  CHECK(*artifact->GetString("general.architecture") == "test-model");
  CHECK(*artifact->GetString("general.name") == "caff\xC3\xA8");
  CHECK(*artifact->GetU32("test.u8") == 200);
  CHECK(*artifact->GetU32("test.u16") == 60000);
  CHECK(*artifact->GetU32("test.u32") == 4000000000u);
  CHECK(*artifact->GetF32("test.f32") == 0.25f);
  CHECK(*artifact->GetF32("test.f64") == -1.5f);
  CHECK(*artifact->GetBool("test.bool"));
  CHECK(*artifact->GetStringArray("test.labels") == std::vector<std::string>{"O", "B-citt\xC3\xA0", ""});
  CHECK(*artifact->GetU32Array("test.sizes") == std::vector<uint32_t>{1, 2, 3});
  const auto& metadata = artifact->metadata();
  CHECK(std::get<int64_t>(metadata.at("test.i8")) == -100);
  CHECK(std::get<int64_t>(metadata.at("test.i16")) == -30000);
  CHECK(std::get<int64_t>(metadata.at("test.i32")) == -2000000000);
  CHECK(std::get<int64_t>(metadata.at("test.i64")) == -(int64_t{1} << 62));
  CHECK(std::get<uint64_t>(metadata.at("test.u64")) == (uint64_t{1} << 63) + 5);
  CHECK(std::get<std::vector<int64_t>>(metadata.at("test.signed")) == std::vector<int64_t>{-1, 2});
  CHECK(std::get<std::vector<double>>(metadata.at("test.rates")) == std::vector<double>{0.5, -2.0});
}

TEST_CASE("a missing key, another type and a value too wide are named") {
  const auto artifact = OpenGood();
  const std::string file = BrokenPath("good.gguf");
  CHECK(artifact->GetU32("no").status().message() == file + ": metadata no is missing, wanted u32");
  CHECK(artifact->GetString("test.u8").status().message() ==
        file + ": metadata test.u8 has the wrong type, wanted string");
  CHECK(artifact->GetU32("test.u64").status().message() == file + ": metadata test.u64 does not fit in 32 bits");
  CHECK_FALSE(artifact->GetBool("test.u8").ok());
  CHECK_FALSE(artifact->GetF32("test.i8").ok());
  CHECK_FALSE(artifact->GetU32("test.i32").ok());
  CHECK_FALSE(artifact->GetU32Array("test.labels").ok());
  CHECK(artifact->GetStringArray("no")->empty());  // GGUF cannot store an empty array
}

TEST_CASE("tensors are views at aligned addresses, in file order") {
  const auto artifact = OpenGood();
  REQUIRE(artifact->tensors().size() == 3);
  const TensorView& weight = artifact->tensors()[0];
  CHECK(weight.name == "weight");
  CHECK(weight.type == TensorType::kF32);
  CHECK(weight.shape == std::vector<uint64_t>{3, 2});
  CHECK(weight.bytes == 24);
  for (const TensorView& view : artifact->tensors()) CHECK(reinterpret_cast<uintptr_t>(view.data) % 64 == 0);
  CHECK(static_cast<const float*>(weight.data)[5] == 5.0f);
  CHECK(static_cast<const uint8_t*>(artifact->FindTensor("packed.q2r")->data)[69] == 70);
  CHECK(artifact->FindTensor("packed") == nullptr);
  CHECK(artifact->VerifySha256().ok());
}

TEST_CASE("memory at any address opens, aligned memory without a copy") {
  const std::string bytes = ReadBytes(BrokenPath("good.gguf"));
  std::vector<uint8_t> space(bytes.size() + 192);
  uint8_t* aligned = space.data() + (64 - reinterpret_cast<uintptr_t>(space.data()) % 64);
  for (size_t shift = 0; shift < 65; ++shift) {
    std::memcpy(aligned + shift, bytes.data(), bytes.size());
    const auto opened = Artifact::OpenMemory(aligned + shift, bytes.size());
    REQUIRE(opened.ok());
    const uint8_t* data = static_cast<const uint8_t*>((*opened)->tensors()[0].data);
    CHECK(reinterpret_cast<uintptr_t>(data) % 64 == 0);
    CHECK((data > aligned && data < aligned + shift + bytes.size()) == (shift % 64 == 0));
    CHECK((*opened)->VerifySha256().ok());
  }
  CHECK(Artifact::OpenMemory(nullptr, 0).status().message() == "memory: is empty, wanted a GGUF file");
  CHECK(Artifact::OpenMemory(nullptr, 8).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("a path that is not UTF-8 gives a message that is") {
  const auto status = Artifact::OpenFile("/tmp/caff\xE8.gguf").status();
  CHECK(status.message() == "/tmp/caff?.gguf: no such file");
}

}  // namespace
}  // namespace sottovoce
