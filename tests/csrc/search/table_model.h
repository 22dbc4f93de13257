// A transducer of a few symbols whose logits stand in a table, to drive a search with.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "search/frame_search.h"

namespace sottovoce {

struct TableModel {
  using Labels = std::vector<int>;
  int vocab_size;
  std::map<std::pair<int64_t, Labels>, std::vector<float>> table;  // by frame and labels so far
  std::map<Labels, std::vector<float>> language = {};              // a language model's scores; empty: there is none

  // 0 where nothing is said.
  std::vector<float> Logits(int64_t frame, const Labels& labels) const {
    const auto found = table.find({frame, labels});
    return found != table.end() ? found->second : std::vector<float>(static_cast<size_t>(vocab_size), 0.0f);
  }
};

// The label histories of one search.
class TableDriver {
 public:
  TableDriver(const TableModel& model, FrameSearch& search) : model_(model), search_(search) { Start(); }

  void Start() { slots_.assign(static_cast<size_t>(search_.num_slots()), {}); }

  // model_frame: where the table is read.
  void Frame(int64_t model_frame, int64_t frame_index) {
    search_.BeginFrame(frame_index);
    while (!search_.wanted().empty()) {
      std::vector<float> logits;
      std::vector<const float*> scores;
      for (int slot : search_.wanted()) {
        const TableModel::Labels& labels = slots_.at(static_cast<size_t>(slot));
        const std::vector<float> row = model_.Logits(model_frame, labels);
        logits.insert(logits.end(), row.begin(), row.end());
        if (!model_.language.empty()) scores.push_back(model_.language.at(labels).data());
      }
      search_.Round(logits.data(), scores.empty() ? nullptr : scores.data());
      for (bool blank : {false, true}) {
        for (const Extension& e : search_.extensions()) {
          if ((e.symbol == 0) != blank) continue;
          if (e.to != e.from) slots_.at(static_cast<size_t>(e.to)) = slots_.at(static_cast<size_t>(e.from));
          if (!blank) slots_.at(static_cast<size_t>(e.to)).push_back(e.symbol);
        }
      }
    }
    // What is in the other slots is not there at the next frame.
    for (size_t s = static_cast<size_t>(search_.num_lasting_slots()); s < slots_.size(); ++s) slots_[s] = {-1};
  }
  void Frame(int64_t frame) { Frame(frame, frame); }

 private:
  const TableModel& model_;
  FrameSearch& search_;
  std::vector<TableModel::Labels> slots_;
};

}  // namespace sottovoce
