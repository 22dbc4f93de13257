#include "pipeline/words.h"

#include <cmath>
#include <cstdlib>
#include <string_view>

#include "text/sentencepiece.h"
#include "text/utf8.h"

namespace sottovoce {
namespace {

constexpr std::string_view kUnknownPiece = "<unk>";
constexpr std::string_view kUnknownText = "\xE2\x81\x87";      // U+2047, as the library shows it
constexpr std::string_view kReplacementText = "\xEF\xBF\xBD";  // U+FFFD

// The text of a piece without its word mark.
std::string PieceText(std::string_view piece) {
  if (piece.size() == 6 && piece.substr(0, 3) == "<0x" && piece[5] == '>') {
    const char digits[] = {piece[3], piece[4], '\0'};
    char* end = nullptr;
    const long value = std::strtol(digits, &end, 16);
    if (end == digits + 2) return std::string(1, static_cast<char>(value));
  }
  return std::string(piece);
}

// Byte pieces may come in any order: each byte that is part of no character becomes U+FFFD.
std::string RepairUtf8(std::string_view text) {
  std::string repaired;
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = DecodeUtf8(text.data() + at, text.data() + text.size());
    if (character.well_formed) {
      repaired += text.substr(at, character.length);
    } else {
      for (uint32_t i = 0; i < character.length; ++i) repaired += kReplacementText;
    }
    at += character.length;
  }
  return repaired;
}

struct OpenWord {
  RecognizedWord word;
  double log_prob = 0.0;
  int symbols = 0;
};

void Close(OpenWord& open, std::vector<RecognizedWord>& words) {
  if (!open.word.text.empty()) {
    open.word.text = RepairUtf8(open.word.text);
    open.word.confidence = static_cast<float>(std::exp(open.log_prob / open.symbols));
    words.push_back(std::move(open.word));
  }
  open = OpenWord();
}

}  // namespace

std::vector<RecognizedWord> TokensToWords(const std::vector<DecodedToken>& tokens,
                                          const std::vector<std::string>& pieces, double frame_seconds) {
  std::vector<RecognizedWord> words;
  OpenWord open;
  for (const DecodedToken& token : tokens) {
    if (token.symbol < 0 || static_cast<size_t>(token.symbol) >= pieces.size()) continue;
    std::string_view piece = pieces[static_cast<size_t>(token.symbol)];
    const bool unknown = piece == kUnknownPiece;
    if (unknown || piece.substr(0, kWordMark.size()) == kWordMark) {
      Close(open, words);
      if (!unknown) piece.remove_prefix(kWordMark.size());
    }
    if (open.symbols == 0) open.word.start_seconds = static_cast<double>(token.frame) * frame_seconds;
    open.word.end_seconds = static_cast<double>(token.frame + 1) * frame_seconds;
    open.word.text += unknown ? std::string(kUnknownText) : PieceText(piece);
    open.log_prob += token.log_prob;
    ++open.symbols;
    if (unknown) Close(open, words);
  }
  Close(open, words);
  return words;
}

std::string JoinWords(const std::vector<RecognizedWord>& words) {
  std::string text;
  for (const RecognizedWord& word : words) {
    if (!text.empty()) text += ' ';
    text += word.text;
  }
  return text;
}

}  // namespace sottovoce
