// Hands the tensors of an artifact to a model's loader, each checked, and at the end names the ones nobody took.
#pragma once

#include <set>
#include <string>

#include "artifact/artifact.h"

namespace sottovoce {

class TensorReader {
 public:
  explicit TensorReader(const Artifact& artifact) : artifact_(artifact) {}

  const Artifact& artifact() const { return artifact_; }
  bool Has(const std::string& name) const { return artifact_.FindTensor(name) != nullptr; }

  // The tensor of that name, which must have this type and, in the second form, exactly this many bytes.
  Result<TensorView> Take(const std::string& name, TensorType type);
  Result<TensorView> Take(const std::string& name, TensorType type, size_t bytes);

  // Not ok when the artifact has tensors that were never taken.
  Status Finish() const;

 private:
  const Artifact& artifact_;
  std::set<std::string> taken_;
};

}  // namespace sottovoce
