#include "search/words.h"

#include <cmath>
#include <cstdlib>
#include <string_view>

namespace sottovoce {
namespace {

constexpr std::string_view kWordStart = "\xE2\x96\x81";  // U+2581

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

struct OpenWord {
  RecognizedWord word;
  double log_prob = 0.0;
  int symbols = 0;
};

void Close(OpenWord& open, std::vector<RecognizedWord>& words) {
  if (!open.word.text.empty()) {
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
    if (piece.substr(0, kWordStart.size()) == kWordStart) {
      Close(open, words);
      piece.remove_prefix(kWordStart.size());
    }
    if (open.symbols == 0) open.word.start_seconds = static_cast<double>(token.frame) * frame_seconds;
    open.word.end_seconds = static_cast<double>(token.frame + 1) * frame_seconds;
    open.word.text += PieceText(piece);
    open.log_prob += token.log_prob;
    ++open.symbols;
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
