#include "text/sentencepiece.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "text/utf8.h"

namespace sottovoce {
namespace {

constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581
constexpr float kUnknownPenalty = 10.0f;                // of the library: below the least likely piece

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// " two  words" -> "_two_words": what the library makes of text whose normalization is `identity`, extra spaces
// removed.
std::string MarkWords(std::string_view text) {
  std::string marked;
  bool in_word = false;
  for (char c : text) {
    if (IsSpace(c)) {
      in_word = false;
      continue;
    }
    if (!in_word) marked += kWordMark;
    in_word = true;
    marked += c;
  }
  return marked;
}

size_t CharacterLength(std::string_view text) {
  return DecodeUtf8(text.data(), text.data() + text.size()).length;
}

}  // namespace

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
  }
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

std::vector<SentencePieceEncoder::Span> SentencePieceEncoder::MergePairs(std::string_view text) const {
  std::vector<Span> spans;
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterLength(text.substr(at));
    spans.push_back({text.substr(at, length), Find(text.substr(at, length))});
    at += length;
  }
  if (model_ == Model::kChar) return spans;
  for (;;) {
    // The earliest merge of the vocabulary, and of its places the leftmost. Phrases are short: no heap is needed.
    int best = -1;
    size_t place = 0;
    for (size_t i = 0; i + 1 < spans.size(); ++i) {
      const std::string_view joined(spans[i].text.data(), spans[i].text.size() + spans[i + 1].text.size());
      const int id = Find(joined);
      if (id >= 0 && (best < 0 || id < best)) {
        best = id;
        place = i;
      }
    }
    if (best < 0) return spans;
    spans[place] = {{spans[place].text.data(), spans[place].text.size() + spans[place + 1].text.size()}, best};
    spans.erase(spans.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
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

std::vector<int> SentencePieceEncoder::Encode(std::string_view text, int unknown) const {
  const std::string marked = MarkWords(text);
  std::vector<int> ids;
  bool after_unknown = false;
  for (const Span& span : model_ == Model::kUnigram ? BestPath(marked) : MergePairs(marked)) {
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
