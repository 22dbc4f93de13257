// Once a stream exists, features, encoder, predictor and joiner allocate nothing, whatever the weights and positions.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <random>
#include <string>

#include "models/transducer.h"

namespace {

std::atomic<long> allocations{0};

}  // namespace

void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace sottovoce {

TEST_CASE("a stream that exists allocates nothing, alone or with others") {
  for (const std::string kind : {"f32", "int8", "ternary", "xl_f32", "xl_int8", "xl_ternary"}) {
    CAPTURE(kind);
    auto artifact = Artifact::OpenFile(std::string(SV_TEST_DATA) + "/transducer_tiny/" + kind + ".gguf");
    REQUIRE_MESSAGE(artifact.ok(), artifact.status().message());
    auto loaded = Transducer::Load(*artifact);
    REQUIRE_MESSAGE(loaded.ok(), loaded.status().message());
    const Transducer& model = **loaded;
    const TransducerEncoder& encoder = model.encoder();
    const size_t mels = static_cast<size_t>(model.config().num_mels);
    constexpr int kStreams = 3;
    const int most = encoder.max_frames();

    std::mt19937 random(6);
    std::normal_distribution<float> normal;
    std::vector<float> features(static_cast<size_t>(most) * mels);
    for (float& x : features) x = normal(random);

    EncoderCache caches[kStreams];
    EncoderWorkspace workspace;
    LabelCache histories[kStreams];
    LabelWorkspace labels;
    for (EncoderCache& cache : caches) encoder.Start(cache);
    encoder.Reserve(workspace, most, kStreams);
    model.ReserveProjection(workspace.activations, encoder.MaxOutputs(most, kStreams));
    model.ReserveLabels(labels, kStreams);
    for (LabelCache& history : histories) model.StartLabels(history, labels);
    const size_t outputs = static_cast<size_t>(encoder.MaxOutputs(most, kStreams));
    std::vector<float> encoded(outputs * static_cast<size_t>(model.config().encoder_dim()));
    std::vector<float> projected(outputs * static_cast<size_t>(model.config().joiner_dim));

    const long before = allocations;
    int total = 0;
    for (int step = 0; step < 40; ++step) {
      EncoderRows rows[kStreams];
      for (int s = 0; s < kStreams; ++s) {
        rows[s] = {&caches[s], features.data(), (most / kStreams + step * s) % (most / kStreams + 1), 0};
      }
      const int frames = encoder.ForwardBatch(rows, kStreams, workspace, encoded.data());
      total += frames;
      model.ProjectEncoded(encoded.data(), frames, workspace.activations, projected.data());
      LabelRow appended[kStreams];
      JoinRow joined[kStreams];
      for (int s = 0; s < kStreams; ++s) {
        appended[s] = {&histories[s], step % model.config().vocab_size};
        joined[s] = {&histories[s], projected.data()};
      }
      model.AppendLabels(appended, kStreams, labels);
      model.JoinRows(joined, kStreams, labels);
    }
    for (EncoderCache& cache : caches) encoder.Start(cache);  // the next utterance
    for (LabelCache& history : histories) model.StartLabels(history, labels);
    CHECK(allocations == before);
    CHECK(total > 0);
  }
}

TEST_CASE("scratch is lent, not copied: nothing is allocated while no more is out than before") {
  auto artifact = Artifact::OpenFile(std::string(SV_TEST_DATA) + "/transducer_tiny/xl_ternary.gguf");
  REQUIRE_MESSAGE(artifact.ok(), artifact.status().message());
  auto loaded = Transducer::Load(*artifact);
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().message());
  const Transducer& model = **loaded;
  const TransducerEncoder& encoder = model.encoder();
  const TransducerScratch* first = nullptr;
  {
    ScratchLease one = model.BorrowScratch(), two = model.BorrowScratch();
    first = &*one;
    CHECK(first != &*two);
  }
  EncoderCache caches[3];
  LabelCache labels[3];
  for (EncoderCache& cache : caches) encoder.Start(cache);
  for (LabelCache& cache : labels) model.StartLabels(cache, model.BorrowScratch()->labels);
  const size_t mels = static_cast<size_t>(model.config().num_mels);
  const std::vector<float> features(static_cast<size_t>(encoder.max_frames()) * mels, 0.5f);
  std::vector<float> wanted;
  const long before = allocations;
  for (int turn = 0; turn < 6; ++turn) {
    ScratchLease idle = model.BorrowScratch(), lent = model.BorrowScratch();
    EncoderRows rows{&caches[turn % 3], features.data(), encoder.max_frames(), 0};
    const int outputs = encoder.ForwardBatch(&rows, 1, lent->encoder, lent->encoded.data());
    REQUIRE(outputs > 0);
    model.ProjectEncoded(lent->encoded.data(), outputs, lent->encoder.activations, lent->projected.data());
    const LabelRow label{&labels[turn % 3], 1};
    model.AppendLabels(&label, 1, lent->labels);
    const JoinRow join{&labels[turn % 3], lent->projected.data()};
    model.JoinRows(&join, 1, lent->labels);
  }
  CHECK(allocations == before);
}

}  // namespace sottovoce
