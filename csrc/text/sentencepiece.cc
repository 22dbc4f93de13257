#include "text/sentencepiece.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <queue>
#include <utility>

#include "text/utf8.h"

namespace sottovoce {
namespace {

constexpr float kUnknownPenalty = 10.0f;  // of the library: below the least likely piece

// " two  words" -> "_two_words": what the library makes of text whose normalization is `identity`, extra spaces
// removed.
std::string MarkWords(std::string_view text) {
  std::string marked;
  bool in_word = false;
  for (char c : text) {
    if (c == ' ') {
      in_word = false;
      continue;
    }
    if (!in_word) marked += kWordMark;
    in_word = true;
    marked += c;
  }
  const auto ends_in_mark = [&marked] {
    return marked.size() >= kWordMark.size() &&
           marked.compare(marked.size() - kWordMark.size(), kWordMark.size(), kWordMark) == 0;
  };
  while (ends_in_mark()) marked.resize(marked.size() - kWordMark.size());
  return marked;
}

Utf8Character FirstCharacter(std::string_view text) {
  return DecodeUtf8(text.data(), text.data() + text.size());
}

size_t CharacterLength(std::string_view text) {
  return FirstCharacter(text).length;
}

uint32_t Lowercase(uint32_t point) {
  return static_cast<uint32_t>(static_cast<int32_t>(point) + unicode::PropertiesOf(point).lowercase_delta);
}

}  // namespace

Result<SentencePieceEncoder::Model> SentencePieceEncoder::ParseModel(const std::string& name) {
  if (name == "bpe") return Model::kBpe;
  if (name == "unigram") return Model::kUnigram;
  if (name == "char") return Model::kChar;
  return Unsupported("sentencepiece: wanted a model 'bpe', 'unigram' or 'char', found '" + name + "'");
}

Result<SentencePieceEncoder> SentencePieceEncoder::Create(Model model, const std::vector<std::string>& pieces,
                                                          std::vector<float> scores) {
  if (model == Model::kUnigram && scores.size() != pieces.size()) {
    return InvalidArgument("sentencepiece: a unigram vocabulary of " + std::to_string(pieces.size()) +
                           " pieces wanted as many scores, found " + std::to_string(scores.size()));
  }
  SentencePieceEncoder encoder;
  encoder.model_ = model;
  std::vector<int> bytes(256, -1);
  bool all_bytes = true;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const std::string& piece = pieces[id];
    // "<" alone, or "<3", may be text; what is closed by ">" is not.
    if (piece.size() > 2 && piece.front() == '<' && piece.back() == '>') continue;
    encoder.ids_.emplace(piece, static_cast<int>(id));
    encoder.longest_ = std::max(encoder.longest_, piece.size());
    for (size_t at = 0; at < piece.size();) {
      const Utf8Character character = FirstCharacter(std::string_view(piece).substr(at));
      encoder.cases_.emplace(character.point, character.point);
      at += character.length;
    }
  }
  const std::vector<std::pair<uint32_t, uint32_t>> characters(encoder.cases_.begin(), encoder.cases_.end());
  for (const auto& [point, same] : characters) encoder.cases_.emplace(Lowercase(point), same);
  for (int value = 0; value < 256; ++value) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(value));
    const auto found = std::find(pieces.begin(), pieces.end(), name);
    all_bytes &= found != pieces.end();
    if (found != pieces.end()) bytes[static_cast<size_t>(value)] = static_cast<int>(found - pieces.begin());
  }
  if (all_bytes) encoder.bytes_ = std::move(bytes);
  if (model == Model::kUnigram) {
    float least = std::numeric_limits<float>::max();
    for (const auto& entry : encoder.ids_) least = std::min(least, scores[static_cast<size_t>(entry.second)]);
    encoder.unknown_score_ = least - kUnknownPenalty;
    encoder.scores_ = std::move(scores);
  }
  return encoder;
}

int SentencePieceEncoder::Find(std::string_view piece) const {
  if (piece.size() > longest_) return -1;
  const auto found = ids_.find(std::string(piece));
  return found == ids_.end() ? -1 : found->second;
}

std::vector<SentencePieceEncoder::Span> SentencePieceEncoder::Characters(std::string_view text) const {
  std::vector<Span> spans;
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterLength(text.substr(at));
    spans.push_back({text.substr(at, length), Find(text.substr(at, length))});
    at += length;
  }
  return spans;
}

std::vector<SentencePieceEncoder::Span> SentencePieceEncoder::MergePairs(std::string_view text) const {
  std::vector<Span> spans = Characters(text);
  // Spans form a list: one that was merged into its left neighbour is empty.
  const size_t end = spans.size();
  std::vector<size_t> before(end), after(end);
  for (size_t i = 0; i < end; ++i) {
    before[i] = i == 0 ? 0 : i - 1;
    after[i] = i + 1;
  }
  struct Merge {
    int id;
    size_t left, bytes;
    // The vocabulary's earliest merge comes first, and of its places the leftmost.
    bool operator<(const Merge& other) const { return id != other.id ? id > other.id : left > other.left; }
  };
  std::priority_queue<Merge> merges;
  const auto propose = [&](size_t left) {
    if (after[left] == end) return;
    const std::string_view joined(spans[left].text.data(), spans[left].text.size() + spans[after[left]].text.size());
    const int id = Find(joined);
    if (id >= 0) merges.push({id, left, joined.size()});
  };
  for (size_t i = 0; i < end; ++i) propose(i);
  while (!merges.empty()) {
    const Merge merge = merges.top();
    merges.pop();
    Span& left = spans[merge.left];
    if (left.text.empty() || after[merge.left] == end) continue;
    Span& right = spans[after[merge.left]];
    if (left.text.size() + right.text.size() != merge.bytes) continue;  // one of the two is a longer one by now
    left = {{left.text.data(), merge.bytes}, merge.id};
    right.text = {};
    after[merge.left] = after[after[merge.left]];
    if (after[merge.left] != end) before[after[merge.left]] = merge.left;
    if (merge.left != 0) propose(before[merge.left]);
    propose(merge.left);
  }
  spans.erase(std::remove_if(spans.begin(), spans.end(), [](const Span& span) { return span.text.empty(); }),
              spans.end());
  return spans;
}

std::vector<SentencePieceEncoder::Span> SentencePieceEncoder::BestPath(std::string_view text) const {
  struct Node {
    float score = -std::numeric_limits<float>::infinity();
    size_t from = 0;
    int id = -1;
  };
  std::vector<Node> nodes(text.size() + 1);
  nodes[0].score = 0.0f;
  for (size_t at = 0; at < text.size();) {
    const size_t character = CharacterLength(text.substr(at));
    bool single = false;
    for (size_t end = at + character; end <= text.size() && end - at <= std::max(longest_, character);) {
      const int id = Find(text.substr(at, end - at));
      if (id >= 0) {
        const float score = nodes[at].score + scores_[static_cast<size_t>(id)];
        if (score > nodes[end].score) nodes[end] = {score, at, id};
        single |= end == at + character;
      }
      if (end == text.size()) break;
      end += CharacterLength(text.substr(end));
    }
    if (!single) {
      const float score = nodes[at].score + unknown_score_;
      if (score > nodes[at + character].score) nodes[at + character] = {score, at, -1};
    }
    at += character;
  }
  std::vector<Span> spans;
  for (size_t end = text.size(); end > 0; end = nodes[end].from) {
    spans.push_back({text.substr(nodes[end].from, end - nodes[end].from), nodes[end].id});
  }
  std::reverse(spans.begin(), spans.end());
  return spans;
}

std::vector<SentencePieceEncoder::Span> SentencePieceEncoder::Segment(std::string_view marked) const {
  return model_ == Model::kUnigram ? BestPath(marked) : model_ == Model::kBpe ? MergePairs(marked) : Characters(marked);
}

std::string SentencePieceEncoder::FoldCase(std::string_view text) const {
  std::string folded;
  while (!text.empty()) {
    const Utf8Character character = FirstCharacter(text);
    auto found = cases_.find(character.point);
    if (found == cases_.end()) found = cases_.find(Lowercase(character.point));
    if (found == cases_.end()) {
      folded += text.substr(0, character.length);
    } else {
      char bytes[4];
      folded.append(bytes, static_cast<size_t>(EncodeUtf8(found->second, bytes)));
    }
    text.remove_prefix(character.length);
  }
  return folded;
}

std::string SentencePieceEncoder::FirstUnknown(std::string_view text) const {
  if (!bytes_.empty()) return "";
  const std::string marked = MarkWords(text);
  const std::vector<Span> spans = Segment(marked);
  const auto found = std::find_if(spans.begin(), spans.end(), [](const Span& span) { return span.id < 0; });
  return found == spans.end() ? "" : std::string(found->text);
}

std::vector<int> SentencePieceEncoder::Encode(std::string_view text, int unknown) const {
  const std::string marked = MarkWords(text);
  std::vector<int> ids;
  bool after_unknown = false;
  for (const Span& span : Segment(marked)) {
    const bool known = span.id >= 0;
    if (known) {
      ids.push_back(span.id);
    } else if (!bytes_.empty()) {
      for (char c : span.text) ids.push_back(bytes_[static_cast<unsigned char>(c)]);
    } else if (!after_unknown) {
      ids.push_back(unknown);
    }
    after_unknown = !known;
  }
  return ids;
}

}  // namespace sottovoce
