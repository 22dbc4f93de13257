// A sub-network of an adaptive encoder: the first heads and neurons of some layers (DynaBERT, Hou et al. 2020).
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "models/bert_encoder.h"

namespace sottovoce {
namespace {

// `share` must be the whole, or one that the model was trained for.
Status CheckShare(const char* name, float share, const std::vector<uint32_t>& offered) {
  if (share == 1.0f) return Status();
  const float percent = share * 100.0f;
  for (uint32_t other : offered) {
    if (std::fabs(percent - static_cast<float>(other)) < 1e-3f) return Status();
  }
  std::string wanted = "1";
  for (uint32_t other : offered) {
    if (other != 100) wanted += " or " + std::to_string(other / 100.0).substr(0, 4);
  }
  return InvalidArgument(std::string(name) + ": this model offers " + wanted + ", found " + std::to_string(share));
}

}  // namespace

Status BertEncoder::Narrow(const SubNetwork& part) {
  SV_RETURN_IF_ERROR(CheckShare("width", part.width, config_.adaptive_widths));
  SV_RETURN_IF_ERROR(CheckShare("depth", part.depth, config_.adaptive_depths));
  if (part.width == 1.0f && part.depth == 1.0f) return Status();
  BertConfig& c = config_;
  // Halves round to even, as in export/compress/width.py.
  const auto share = [](int whole, float of) {
    return std::max(1, static_cast<int>(std::nearbyint(static_cast<double>(whole) * static_cast<double>(of))));
  };
  const int heads = share(c.num_heads, part.width);
  const int ffn = static_cast<int>(static_cast<int64_t>(c.ffn_size) * heads / c.num_heads);
  const int qkv = heads * c.head_size;
  const int kept = share(c.num_layers, part.depth);
  std::vector<BertLayer> layers;
  for (int i = 0; i < kept; ++i) {
    const int from = std::min(c.num_layers - 1, static_cast<int>(static_cast<double>(i) / part.depth));
    BertLayer layer = std::move(layers_[static_cast<size_t>(from)]);
    for (Product* product : {&layer.query, &layer.key, &layer.value}) *product = product->Cut(qkv, c.hidden_size);
    layer.output = layer.output.Cut(c.hidden_size, qkv);
    layer.up = layer.up.Cut(ffn, c.hidden_size);
    layer.down = layer.down.Cut(c.hidden_size, ffn);
    layers.push_back(std::move(layer));
  }
  layers_ = std::move(layers);
  c.num_layers = kept;
  c.num_heads = heads;
  c.qkv_size = qkv;
  c.ffn_size = ffn;
  return Status();
}

}  // namespace sottovoce
