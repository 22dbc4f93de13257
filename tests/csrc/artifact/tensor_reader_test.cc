#include "artifact/tensor_reader.h"

#include "golden_files.h"

namespace sottovoce {
namespace {

struct Fixture {
  std::string file = BrokenPath("good.gguf");
  std::shared_ptr<const Artifact> artifact = *Artifact::OpenFile(file);
  TensorReader reader{*artifact};
};

TEST_CASE_FIXTURE(Fixture, "a tensor of the right type and size is handed out") {
  const auto weight = reader.Take("weight", TensorType::kF32, 24);
  REQUIRE(weight.ok());
  CHECK(static_cast<const float*>(weight->data)[1] == 1.0f);
  CHECK(reader.Take("packed.q2r", TensorType::kI8)->bytes == 70);
  CHECK(reader.Has("scale"));
  CHECK_FALSE(reader.Has("bias"));
}

TEST_CASE_FIXTURE(Fixture, "missing, mistyped and missized tensors are named with what was wanted and found") {
  CHECK(reader.Take("bias", TensorType::kF32).status().message() == file + ": tensor bias is missing");
  CHECK(reader.Take("scale", TensorType::kF32).status().message() == file + ": tensor scale has type F16, wanted F32");
  CHECK(reader.Take("scale", TensorType::kF16, 10).status().message() ==
        file + ": tensor scale has 8 bytes, wanted 10");
  CHECK(reader.Take("bias", TensorType::kF32).status().code() == StatusCode::kDataLoss);
}

TEST_CASE_FIXTURE(Fixture, "tensors that nobody took are an error") {
  CHECK(reader.Finish().message() == file + ": 3 tensors do not belong to this model: weight, scale, packed.q2r");
  REQUIRE(reader.Take("weight", TensorType::kF32).ok());
  REQUIRE(reader.Take("packed.q2r", TensorType::kI8).ok());
  CHECK(reader.Finish().message() == file + ": 1 tensors do not belong to this model: scale");
  REQUIRE(reader.Take("scale", TensorType::kF16).ok());
  CHECK(reader.Finish().ok());
}

}  // namespace
}  // namespace sottovoce
