// The search of one stream, greedy or with a beam, over its model.
#pragma once

#include <memory>
#include <vector>

#include "models/transducer.h"
#include "search/beam.h"

namespace sottovoce {

class StreamSearch {
 public:
  // beam_size 1 without phrases is greedy search. biasing may be null.
  StreamSearch(const Transducer& model, int beam_size, std::shared_ptr<const BiasingGraph> biasing);
  ~StreamSearch();

  // Forgets all labels; from now on with these phrases.
  void Start(std::shared_ptr<const BiasingGraph> biasing);

  // projected: (joiner_dim), one encoder frame as Transducer::ProjectEncoded() gives it.
  void Frame(const float* projected, int64_t frame_index);

  // Of the best hypothesis; valid until the next call.
  const std::vector<DecodedToken>& tokens() const;
  // Best first; greedy search knows one.
  std::vector<Hypothesis> NBest(int count) const;

 private:
  struct Greedy;
  struct Beam;
  const Transducer& model_;
  int beam_size_;
  std::unique_ptr<Greedy> greedy_;
  std::unique_ptr<Beam> beam_;
};

}  // namespace sottovoce
