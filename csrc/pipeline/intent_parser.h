// Text to intent and slots. An IntentParser is immutable: one serves any number of threads.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "models/intent_slot_model.h"
#include "pipeline/bio_decoder.h"
#include "text/wordpiece.h"

namespace sottovoce {

struct IntentScore {
  std::string name;
  float score = 0.0f;  // calibrated probability
};

struct Slot {
  std::string name;
  std::string value;  // the text as said
  int start = 0;      // characters (code points) into the text
  int end = 0;
  float score = 0.0f;
};

struct ParseResult {
  std::vector<IntentScore> intents;  // best first, at least one
  std::vector<Slot> slots;
  bool out_of_scope = false;
  std::vector<std::string> warnings;
};

class IntentParser {
 public:
  // part: which sub-network of an adaptive model to use; any model offers the whole.
  static Result<std::shared_ptr<const IntentParser>> Open(const std::string& path, const SubNetwork& part = {});
  // The caller keeps `data` alive and unchanged as long as the parser lives.
  static Result<std::shared_ptr<const IntentParser>> OpenMemory(const void* data, size_t bytes,
                                                                const SubNetwork& part = {});

  // The `top_k` best intents (at least 1) and the slots of `text` (UTF-8; bad bytes are read as U+FFFD, with a
  // warning). Text longer than the model's positions is parsed by its first window, with a warning.
  ParseResult Parse(std::string_view text, int top_k = 1) const;

  const WordPieceTokenizer& tokenizer() const { return *tokenizer_; }
  const IntentSlotModel& model() const { return *model_; }

 private:
  IntentParser() = default;
  static Result<std::shared_ptr<const IntentParser>> Load(std::shared_ptr<const Artifact> artifact,
                                                          const SubNetwork& part);
  std::unique_ptr<IntentSlotWorkspace> BorrowWorkspace() const;
  void ReturnWorkspace(std::unique_ptr<IntentSlotWorkspace> workspace) const;

  std::unique_ptr<const IntentSlotModel> model_;
  std::unique_ptr<const WordPieceTokenizer> tokenizer_;
  std::vector<BioTag> tags_;
  // Scratch is kept between calls, one for each thread that was ever inside Parse at the same time.
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<IntentSlotWorkspace>> workspaces_;
};

}  // namespace sottovoce
