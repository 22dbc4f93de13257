// The transducer against the torch reference, operation by operation and as a whole, and against itself in chunks.
#include "models/transducer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "models/golden.h"
#include "models/load_layers.h"

namespace sottovoce {
namespace {

const std::string kFolder = std::string(SV_TEST_DATA) + "/transducer_tiny/";

std::unique_ptr<const Transducer> Load(const std::string& kind) {
  auto artifact = Artifact::OpenFile(kFolder + kind + ".gguf");
  REQUIRE_MESSAGE(artifact.ok(), artifact.status().message());
  auto model = Transducer::Load(*artifact);
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  return std::move(model).value();
}

// The largest |got - wanted| / max(1, |wanted|).
float Error(const std::vector<float>& got, const std::vector<float>& wanted) {
  REQUIRE(got.size() == wanted.size());
  float worst = 0.0f;
  for (size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::fabs(got[i] - wanted[i]) / std::max(1.0f, std::fabs(wanted[i])));
  }
  return worst;
}

// Normalised features (frames, mels), the look-ahead appended, cut into chunks of sizes(); all encoder frames.
template <typename Sizes>
std::vector<float> Encode(const Transducer& model, std::vector<float> features, Sizes sizes) {
  const size_t mels = static_cast<size_t>(model.config().num_mels);
  features.resize(features.size() + static_cast<size_t>(model.config().look_ahead) * mels, 0.0f);
  EncoderState state;
  model.encoder().Start(state);
  const size_t dim = static_cast<size_t>(model.config().encoder_dim());
  std::vector<float> out(static_cast<size_t>(model.encoder().max_outputs()) * dim), encoded;
  const size_t frames = features.size() / mels;
  for (size_t at = 0; at < frames;) {
    const size_t count = std::min({frames - at, static_cast<size_t>(model.encoder().max_frames()), sizes()});
    const int got = model.encoder().Forward(features.data() + at * mels, static_cast<int>(count), state, out.data());
    REQUIRE(got <= model.encoder().max_outputs());
    encoded.insert(encoded.end(), out.begin(), out.begin() + got * static_cast<std::ptrdiff_t>(dim));
    at += count;
  }
  return encoded;
}

constexpr size_t kWhole = 1 << 20;

// The golden networks: learned positions, Transformer-XL's, in each weight type.
const char* const kKinds[] = {"f32", "int8", "ternary", "xl_f32", "xl_int8", "xl_ternary"};

bool IsFloat(const std::string& kind) {
  return kind == "f32" || kind == "xl_f32";
}

std::vector<float> Random(size_t count, std::mt19937& random) {
  std::vector<float> x(count);
  std::normal_distribution<float> normal;
  for (float& value : x) value = normal(random);
  return x;
}

}  // namespace

TEST_CASE("strides and look-ahead come from the convolutions") {
  const auto model = Load("f32");
  CHECK(model->config().stride == 8);
  CHECK(model->config().look_ahead == 7);
  CHECK(model->pieces().size() == 21);
}

TEST_CASE("every operation of the encoder agrees with torch on the reference's own input") {
  for (const std::string kind : kKinds) {
    CAPTURE(kind);
    const auto model = Load(kind);
    const GoldenArrays golden = ReadGolden(kFolder + kind + ".bin");
    REQUIRE(!golden.empty());
    TensorReader reader(model->artifact());
    // Teacher-forced, so that an activation which rounds the other way stays where it is.
    const float bound = IsFloat(kind) ? 1e-5f : 1e-4f;
    std::vector<float> x = golden.at("normalized");
    x.resize(x.size() + static_cast<size_t>(model->config().look_ahead * model->config().num_mels), 0.0f);
    for (size_t b = 0; b < model->config().blocks.size(); ++b) {
      const EncoderBlockConfig& block = model->config().blocks[b];
      for (size_t c = 0; c < block.convs.size(); ++c) {
        const std::string name = "encoder." + std::to_string(b) + ".conv." + std::to_string(c);
        CAPTURE(name);
        const ConvConfig& config = block.convs[c];
        if (config.kernel_freq == 0 && c > 0 && block.convs[c - 1].kernel_freq > 0) {  // to channel-major
          std::vector<float> flat(x.size());
          const size_t channels = static_cast<size_t>(block.convs[c - 1].out_channels);
          const size_t freq = config.in_size() / channels;
          for (size_t i = 0; i < x.size(); ++i) {
            const size_t t = i / config.in_size(), f = i / channels % freq, channel = i % channels;
            flat[t * config.in_size() + channel * freq + f] = x[i];
          }
          x = flat;
        }
        auto product = LoadLinear(reader, name, config.out_channels, config.window_size());
        REQUIRE_MESSAGE(product.ok(), product.status().message());
        const StreamingConv conv(config, *product);
        const int frames = static_cast<int>(x.size() / config.in_size());
        ConvState state;
        ConvWorkspace workspace;
        ActivationBuffer activations;
        conv.Start(state);
        conv.Reserve(workspace, activations, frames, 1);
        ConvRows rows{&state, frames};
        std::vector<float> y(static_cast<size_t>(config.MaxOutputs(frames)) * config.out_size());
        const int outputs = conv.Forward(x.data(), &rows, 1, workspace, activations, y.data());
        y.resize(static_cast<size_t>(outputs) * config.out_size());
        CHECK(Error(y, golden.at(name)) < bound);
        x = golden.at(name);
      }
      for (size_t l = 0; l < block.layers.size(); ++l) {
        const std::string name = "encoder." + std::to_string(b) + ".layer." + std::to_string(l);
        CAPTURE(name);
        auto layer = LoadCausalLayer(reader, name + ".", block.layers[l]);
        REQUIRE_MESSAGE(layer.ok(), layer.status().message());
        const int frames = static_cast<int>(x.size() / static_cast<size_t>(block.model_dim));
        CausalLayerState state;
        CausalWorkspace workspace;
        layer->Start(state);
        layer->Reserve(workspace, frames);
        layer->Forward(x.data(), frames, state, workspace);
        CHECK(Error(x, golden.at(name)) < bound);
        x = golden.at(name);
      }
    }
  }
}

TEST_CASE("encoder, predictor and joiner agree with torch end to end, token for token") {
  for (const std::string kind : kKinds) {
    CAPTURE(kind);
    const auto model = Load(kind);
    const GoldenArrays golden = ReadGolden(kFolder + kind + ".bin");
    REQUIRE(!golden.empty());
    const float bound = 1e-4f;
    const std::vector<float> encoded = Encode(*model, golden.at("normalized"), [] { return kWhole; });
    CHECK(Error(encoded, golden.at("encoded")) < bound);

    const int frames = static_cast<int>(encoded.size()) / model->config().encoder_dim();
    const size_t dim = static_cast<size_t>(model->config().joiner_dim);
    std::vector<float> projected(static_cast<size_t>(frames) * dim);
    ActivationBuffer activations;
    model->ProjectEncoded(golden.at("encoded").data(), frames, activations, projected.data());
    CHECK(Error(projected, golden.at("joiner.encoder")) < 1e-4f);

    LabelState labels;
    model->StartLabels(labels);
    std::vector<float> predicted = labels.projected;
    for (float token : golden.at("tokens")) {
      model->AppendLabel(static_cast<int>(token), labels);
      predicted.insert(predicted.end(), labels.projected.begin(), labels.projected.end());
    }
    CHECK(Error(predicted, golden.at("joiner.predictor")) < bound);
    const float* logits =
        model->Join(golden.at("joiner.encoder").data() + (static_cast<size_t>(frames) - 1) * dim, labels);
    CHECK(Error({logits, logits + model->config().vocab_size}, golden.at("logits.last")) < bound);
  }
}

TEST_CASE("encoder frames are bit-equal for any chunking, and a started state is as new") {
  std::mt19937 random(3);
  for (const std::string kind : kKinds) {
    CAPTURE(kind);
    const auto model = Load(kind);
    const size_t mels = static_cast<size_t>(model->config().num_mels);
    for (size_t frames : {size_t{0}, size_t{1}, size_t{8}, size_t{9}, size_t{300}}) {
      const std::vector<float> features = Random(frames * mels, random);
      const std::vector<float> whole = Encode(*model, features, [] { return kWhole; });
      CHECK(whole.size() == (frames + 7) / 8 * static_cast<size_t>(model->config().encoder_dim()));
      CHECK(Encode(*model, features, [] { return size_t{1}; }) == whole);
      CHECK(Encode(*model, features, [&] { return 1 + random() % 40; }) == whole);
    }
  }
}

TEST_CASE("streams computed together are bit-equal to each alone, whatever each brings") {
  std::mt19937 random(4);
  for (const std::string kind : kKinds) {
    CAPTURE(kind);
    const auto model = Load(kind);
    const TransducerEncoder& encoder = model->encoder();
    const size_t mels = static_cast<size_t>(model->config().num_mels);
    const size_t dim = static_cast<size_t>(model->config().encoder_dim());
    constexpr int kStreams = 5;
    std::vector<float> features[kStreams], got[kStreams];
    size_t at[kStreams] = {};
    EncoderCache caches[kStreams];
    for (int s = 0; s < kStreams; ++s) {
      features[s] = Random((40 + 31 * static_cast<size_t>(s)) * mels, random);
      encoder.Start(caches[s]);
    }
    const int most = 24 * kStreams;
    EncoderWorkspace workspace;
    encoder.Reserve(workspace, most, kStreams);
    std::vector<float> encoded(static_cast<size_t>(encoder.MaxOutputs(most, kStreams)) * dim);
    for (bool more = true; more;) {
      more = false;
      std::vector<EncoderRows> rows;
      std::vector<int> order;
      for (int s = 0; s < kStreams; ++s) {
        const size_t left = features[s].size() / mels - at[s];
        if (left == 0 || random() % 5 == 0) {  // this stream has nothing to bring now
          more = more || left > 0;
          continue;
        }
        const int count = static_cast<int>(std::min<size_t>(left, random() % 25));
        rows.push_back({&caches[s], features[s].data() + at[s] * mels, count, -1});
        order.push_back(s);
        at[s] += static_cast<size_t>(count);
        more = true;
      }
      const int total = encoder.ForwardBatch(rows.data(), static_cast<int>(rows.size()), workspace, encoded.data());
      const float* out = encoded.data();
      for (size_t i = 0; i < rows.size(); ++i) {
        const size_t size = static_cast<size_t>(rows[i].num_encoded) * dim;
        got[order[i]].insert(got[order[i]].end(), out, out + size);
        out += size;
      }
      CHECK(out == encoded.data() + static_cast<size_t>(total) * dim);
    }
    for (int s = 0; s < kStreams; ++s) {
      EncoderState state;
      encoder.Start(state);
      std::vector<float> alone;
      for (size_t t = 0; t < features[s].size(); t += mels) {
        const int outputs = encoder.Forward(features[s].data() + t, 1, state, encoded.data());
        alone.insert(alone.end(), encoded.begin(),
                     encoded.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(outputs) * dim));
      }
      REQUIRE(!alone.empty());
      CHECK(got[s] == alone);
    }
  }
}

TEST_CASE("label histories computed together are bit-equal to each alone") {
  std::mt19937 random(5);
  for (const std::string kind : kKinds) {
    CAPTURE(kind);
    const auto model = Load(kind);
    const size_t vocabulary = static_cast<size_t>(model->config().vocab_size);
    const std::vector<float> frame = Random(static_cast<size_t>(model->config().joiner_dim), random);
    constexpr int kHistories = 4;
    LabelWorkspace workspace;
    model->ReserveLabels(workspace, kHistories);
    LabelCache caches[kHistories];
    LabelState states[kHistories];
    LabelRow labels[kHistories];
    JoinRow joins[kHistories];
    for (int h = 0; h < kHistories; ++h) {
      model->StartLabels(caches[h], workspace);
      model->StartLabels(states[h]);
      joins[h] = {&caches[h], frame.data()};
    }
    for (int step = 0; step < 9; ++step) {
      for (int h = 0; h < kHistories; ++h) {
        labels[h] = {&caches[h], static_cast<int>(random() % vocabulary)};
        model->AppendLabel(labels[h].label, states[h]);
      }
      model->AppendLabels(labels, kHistories, workspace);
      const float* logits = model->JoinRows(joins, kHistories, workspace);
      for (int h = 0; h < kHistories; ++h) {
        CHECK(caches[h].projected == states[h].projected);
        const float* alone = model->Join(frame.data(), states[h]);
        CHECK(std::equal(alone, alone + vocabulary, logits + static_cast<size_t>(h) * vocabulary));
      }
    }
  }
}

TEST_CASE("convolutions as metadata: what is refused says why") {
  CHECK(ParseConv("conv2d:3,7,2,2,24,1")->kernel_freq == 7);
  CHECK(ParseConv("conv1d:3,2,320,1")->stride_time == 2);
  for (const char* text : {"", "conv1d:", "conv1d:2,1,8,1", "conv1d:3,64,8,1", "conv1d:3,0,8,1", "conv1d:3,1,0,1",
                           "conv1d:3,1,8,3", "conv1d:3,1,8", "conv2d:3,1,8,1", "conv1d:3,,8,1", "conv1d:-3,1,8,1",
                           "conv1d:3,1,99999999,1", "conv3d:3,1,8,1", "conv1d:3,1,8,1,", "conv2d:3,4,1,1,8,1"}) {
    CAPTURE(text);
    CHECK(!ParseConv(text).ok());
  }
}

}  // namespace sottovoce
