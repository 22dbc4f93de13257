#include "pipeline/bio_decoder.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace sottovoce;

namespace {

// Words of three characters with a blank between, tagged by index into kLabels.
const std::vector<std::string> kLabels = {"O", "B-artist", "I-artist", "B-city", "I-city"};

std::vector<SlotSpan> Decode(const std::vector<int>& tags, float probability = 0.5f) {
  std::vector<BioTag> labels;
  for (const std::string& label : kLabels) labels.push_back(ParseBioTag(label));
  std::vector<TaggedWord> words;
  for (int tag : tags) {
    const int start = static_cast<int>(words.size()) * 4;
    words.push_back({start, start + 3, tag, probability});
  }
  return DecodeBio(words, labels);
}

}  // namespace

TEST_CASE("labels that are not B- or I- are outside") {
  CHECK(ParseBioTag("B-city").kind == BioTag::Kind::kBegin);
  CHECK(ParseBioTag("I-city.name").name == "city.name");
  for (const char* label : {"O", "", "B", "B-", "X-city", "PAD", "bcity"}) {
    CHECK(ParseBioTag(label).kind == BioTag::Kind::kOutside);
  }
}

TEST_CASE("spans run from B over I of the same name") {
  const auto slots = Decode({0, 1, 2, 2, 0, 3});
  REQUIRE(slots.size() == 2);
  CHECK(slots[0].name == "artist");
  CHECK(slots[0].start == 4);
  CHECK(slots[0].end == 15);
  CHECK(slots[1].name == "city");
  CHECK(slots[1].start == 20);
  CHECK(slots[1].end == 23);
}

TEST_CASE("two B in a row are two slots, and an I of another name begins one") {
  CHECK(Decode({1, 1}).size() == 2);
  CHECK(Decode({1, 4}).size() == 2);
  CHECK(Decode({2, 2}).size() == 1);
  CHECK(Decode({2, 0, 2}).size() == 2);
  CHECK(Decode({}).empty());
  CHECK(Decode({0, 0}).empty());
}

TEST_CASE("the score is the geometric mean of the words' probabilities") {
  std::vector<BioTag> labels = {ParseBioTag("B-x"), ParseBioTag("I-x")};
  const auto slots = DecodeBio({{0, 1, 0, 0.9f}, {2, 3, 1, 0.4f}}, labels);
  REQUIRE(slots.size() == 1);
  CHECK(slots[0].score == doctest::Approx(std::sqrt(0.9 * 0.4)));
  CHECK(DecodeBio({{0, 1, 0, 0.0f}}, labels)[0].score < 1e-6f);
}
