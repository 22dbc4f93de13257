#include "text/normalizer.h"

#include <algorithm>

#include "text/unicode_tables.h"
#include "text/utf8.h"

namespace sottovoce {
namespace {

using unicode::Properties;
using unicode::PropertiesOf;

bool IsAsciiPunctuation(uint32_t point) {
  return point - 33 < 15 || point - 58 < 7 || point - 91 < 6 || point - 123 < 4;  // !../ :..@ [..` {..~
}

class Normalization {
 public:
  Normalization(const NormalizerOptions& options, std::vector<NormalizedCharacter>* out)
      : options_(options), out_(out) {}

  void AddAscii(uint32_t point, int32_t source) {
    if (point < 0x20 || point == 0x7F) {
      if (point != '\t' && point != '\n' && point != '\r') return;
      point = ' ';
    }
    FlushMarks();
    last_source_ = source;
    if (point - 'A' < 26 && options_.lowercase) point += 'a' - 'A';
    out_->push_back({point, source, IsAsciiPunctuation(point)});
  }

  void Add(uint32_t point, int32_t source) {
    const Properties& properties = PropertiesOf(point);
    if (properties.flags & unicode::kRemoved) return;
    if (properties.flags & unicode::kWhitespace) return AddAscii(' ', source);
    const bool apart = options_.chinese_chars && unicode::IsCjk(point);
    if (apart) AddAscii(' ', source);
    if (options_.strip_accents) {
      Decompose(point, properties, source);
    } else {
      Emit(point, properties, source);
    }
    if (apart) AddAscii(' ', source);
  }

  // Marks that wait for their order are put out.
  void FlushMarks() {
    if (!marks_.empty()) FlushWaitingMarks();
  }

 private:
  struct Mark {
    uint32_t point;
    uint8_t combining_class;
    bool first;  // of its decomposition
  };

  void Decompose(uint32_t point, const Properties& properties, int32_t source) {
    if (!(properties.flags & unicode::kDecomposes) && !unicode::IsHangulSyllable(point)) {
      return Order(point, properties, source, true);
    }
    uint32_t parts[unicode::kMaxDecomposition];
    const int num_parts = unicode::Decompose(point, parts);
    for (int i = 0; i < num_parts; ++i) Order(parts[i], PropertiesOf(parts[i]), source, i == 0);
  }

  // Canonical order: a run of characters with a combining class is sorted by it.
  void Order(uint32_t point, const Properties& properties, int32_t source, bool first) {
    if (properties.combining_class == 0) {
      FlushMarks();
      if (first) last_source_ = source;
      return Emit(point, properties, last_source_);
    }
    marks_.push_back({point, properties.combining_class, first});
    if (first) mark_sources_.push_back(source);
  }

  // After sorting, Hugging Face hands the sources out by position: the n-th first part gets the n-th source, any later
  // part the source before it. So do we, that offsets agree.
  void FlushWaitingMarks() {
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const Mark& a, const Mark& b) { return a.combining_class < b.combining_class; });
    size_t next = 0;
    for (const Mark& mark : marks_) {
      if (mark.first) last_source_ = mark_sources_[next++];
      Emit(mark.point, PropertiesOf(mark.point), last_source_);
    }
    marks_.clear();
    mark_sources_.clear();
  }

  void Emit(uint32_t point, const Properties& properties, int32_t source) {
    if (options_.strip_accents && (properties.flags & unicode::kMark)) return;
    const bool punctuation = (properties.flags & unicode::kPunctuation) != 0;
    if (!options_.lowercase) {
      out_->push_back({point, source, punctuation});
    } else if (point == unicode::kDottedCapitalI) {
      out_->push_back({'i', source, false});
      out_->push_back({unicode::kCombiningDotAbove, source, false});
    } else {
      out_->push_back(
          {static_cast<uint32_t>(static_cast<int32_t>(point) + properties.lowercase_delta), source, punctuation});
    }
  }

  const NormalizerOptions options_;
  std::vector<NormalizedCharacter>* out_;
  std::vector<Mark> marks_;
  std::vector<int32_t> mark_sources_;  // one for each mark that is first
  int32_t last_source_ = 0;
};

}  // namespace

bool Normalize(std::string_view text, const NormalizerOptions& options, std::vector<NormalizedCharacter>* out) {
  out->reserve(out->size() + text.size());
  Normalization normalization(options, out);
  const char* cursor = text.data();
  const char* end = cursor + text.size();
  bool valid = true;
  for (int32_t index = 0; cursor < end; ++index) {
    if (static_cast<signed char>(*cursor) >= 0) {
      normalization.AddAscii(static_cast<unsigned char>(*cursor++), index);
      continue;
    }
    const Utf8Character character = DecodeUtf8(cursor, end);
    cursor += character.length;
    valid &= character.well_formed;
    normalization.Add(character.point, index);
  }
  normalization.FlushMarks();
  return valid;
}

}  // namespace sottovoce
