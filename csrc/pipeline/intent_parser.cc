#include "pipeline/intent_parser.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/cpu_features.h"
#include "text/utf8.h"

namespace sottovoce {
namespace {

// The words of the window with their tags. A word's tag is its first piece's; its span covers all its pieces.
std::vector<TaggedWord> TagWords(const Encoding& encoding, int tokens, const IntentSlotModel& model,
                                 const float* probabilities) {
  const size_t labels = model.slot_labels().size();
  std::vector<TaggedWord> words;
  for (int t = 1; t + 1 < tokens; ++t) {
    const size_t i = static_cast<size_t>(t);
    if (i > 1 && encoding.word_ids[i] == encoding.word_ids[i - 1]) {
      words.back().end = encoding.offsets[i].end;
      continue;
    }
    const float* row = probabilities + i * labels;
    const float* best = std::max_element(row, row + labels);
    words.push_back({encoding.offsets[i].start, encoding.offsets[i].end, static_cast<int>(best - row), *best});
  }
  return words;
}

bool IsPunctuation(std::string_view piece) {
  const Utf8Character first = DecodeUtf8(piece.data(), piece.data() + piece.size());
  return first.length == piece.size() && (unicode::PropertiesOf(first.point).flags & unicode::kPunctuation) != 0;
}

// A slot ends before punctuation that is attached to its last word ("in the kitchen."), for what is said has none. A
// word that is punctuation alone stays.
void TrimPunctuation(const WordPieceTokenizer& tokenizer, const Encoding& encoding, int tokens, SlotSpan* slot) {
  for (size_t i = static_cast<size_t>(tokens) - 2; i >= 2; --i) {
    if (encoding.offsets[i].end != slot->end) continue;
    const bool attached = encoding.word_ids[i] == encoding.word_ids[i - 1];
    if (!attached || encoding.offsets[i - 1].end <= slot->start) return;
    if (!IsPunctuation(tokenizer.piece(encoding.ids[i]))) return;
    slot->end = encoding.offsets[i - 1].end;
  }
}

}  // namespace

Result<std::shared_ptr<const IntentParser>> IntentParser::Open(const std::string& path, const SubNetwork& part) {
  SV_ASSIGN_OR_RETURN(auto artifact, Artifact::OpenFile(path));
  return Load(std::move(artifact), part);
}

Result<std::shared_ptr<const IntentParser>> IntentParser::OpenMemory(const void* data, size_t bytes,
                                                                     const SubNetwork& part) {
  SV_ASSIGN_OR_RETURN(auto artifact, Artifact::OpenMemory(data, bytes));
  return Load(std::move(artifact), part);
}

Result<std::shared_ptr<const IntentParser>> IntentParser::Load(std::shared_ptr<const Artifact> artifact,
                                                               const SubNetwork& part) {
  SV_RETURN_IF_ERROR(IsaStatus());
  std::shared_ptr<IntentParser> parser(new IntentParser());
  SV_ASSIGN_OR_RETURN(parser->model_, IntentSlotModel::Load(artifact, part));
  const IntentSlotModel& model = *parser->model_;
  WordPieceOptions options;
  SV_ASSIGN_OR_RETURN(const std::string kind, artifact->GetString("tokenizer.kind"));
  if (kind != "wordpiece") {
    return Unsupported(artifact->name() + ": tokenizer.kind is '" + kind + "', wanted 'wordpiece'");
  }
  SV_ASSIGN_OR_RETURN(options.lowercase, artifact->GetBool("tokenizer.lowercase"));
  SV_ASSIGN_OR_RETURN(options.strip_accents, artifact->GetBool("tokenizer.strip_accents"));
  SV_ASSIGN_OR_RETURN(options.chinese_chars, artifact->GetBool("tokenizer.chinese_chars"));
  SV_ASSIGN_OR_RETURN(options.unknown_token, artifact->GetString("tokenizer.unknown_token"));
  SV_ASSIGN_OR_RETURN(options.cls_token, artifact->GetString("tokenizer.cls_token"));
  SV_ASSIGN_OR_RETURN(options.sep_token, artifact->GetString("tokenizer.sep_token"));
  SV_ASSIGN_OR_RETURN(options.pad_token, artifact->GetString("tokenizer.pad_token"));
  SV_ASSIGN_OR_RETURN(const uint32_t max_characters, artifact->GetU32("tokenizer.max_word_characters"));
  options.max_word_characters = static_cast<int32_t>(std::min<uint32_t>(max_characters, 10000));
  SV_ASSIGN_OR_RETURN(WordPieceTokenizer tokenizer,
                      WordPieceTokenizer::Create({model.vocabulary(), model.vocabulary_bytes()}, options));
  if (tokenizer.vocabulary_size() != model.encoder().config().vocab_size) {
    return DataLoss(artifact->name() + ": tokenizer.vocab holds " + std::to_string(tokenizer.vocabulary_size()) +
                    " pieces, bert.vocab_size says " + std::to_string(model.encoder().config().vocab_size));
  }
  parser->tokenizer_ = std::make_unique<const WordPieceTokenizer>(std::move(tokenizer));
  for (const std::string& label : model.slot_labels()) parser->tags_.push_back(ParseBioTag(label));
  return std::shared_ptr<const IntentParser>(std::move(parser));
}

std::unique_ptr<IntentSlotWorkspace> IntentParser::BorrowWorkspace() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (workspaces_.empty()) return std::make_unique<IntentSlotWorkspace>();
  auto workspace = std::move(workspaces_.back());
  workspaces_.pop_back();
  return workspace;
}

void IntentParser::ReturnWorkspace(std::unique_ptr<IntentSlotWorkspace> workspace) const {
  std::lock_guard<std::mutex> lock(mutex_);
  workspaces_.push_back(std::move(workspace));
}

ParseResult IntentParser::Parse(std::string_view text, int top_k) const {
  ParseResult result;
  Encoding encoding = tokenizer_->Encode(text);
  if (encoding.invalid_utf8) result.warnings.push_back("the text is not valid UTF-8: bad bytes were read as U+FFFD");
  const int max_positions = model_->encoder().config().max_positions;
  int tokens = static_cast<int>(encoding.ids.size());
  if (tokens > max_positions) {
    result.warnings.push_back("the text has " + std::to_string(tokens) + " pieces, the model takes " +
                              std::to_string(max_positions) + ": only the first window was parsed");
    tokens = max_positions;
    encoding.ids[static_cast<size_t>(tokens) - 1] = encoding.ids.back();  // the window ends with [SEP]
  }
  auto workspace = BorrowWorkspace();
  model_->Forward(encoding.ids.data(), tokens, *workspace);

  const std::vector<std::string>& labels = model_->intent_labels();
  std::vector<size_t> order(labels.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t keep = std::min(order.size(), static_cast<size_t>(std::max(top_k, 1)));
  const float* scores = workspace->intent.data();
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(keep), order.end(),
                    [scores](size_t a, size_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  for (size_t k = 0; k < keep; ++k) result.intents.push_back({labels[order[k]], scores[order[k]]});
  result.out_of_scope = result.intents[0].score < model_->out_of_scope_threshold();

  std::vector<SlotSpan> spans = DecodeBio(TagWords(encoding, tokens, *model_, workspace->slot.data()), tags_);
  for (SlotSpan& span : spans) {
    TrimPunctuation(*tokenizer_, encoding, tokens, &span);
    std::string value(SliceCharacters(text, span.start, span.end));
    result.slots.push_back({std::move(span.name), std::move(value), span.start, span.end, span.score});
  }
  ReturnWorkspace(std::move(workspace));
  return result;
}

}  // namespace sottovoce
