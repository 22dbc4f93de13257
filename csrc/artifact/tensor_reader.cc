#include "artifact/tensor_reader.h"

namespace sottovoce {

Result<TensorView> TensorReader::Take(const std::string& name, TensorType type) {
  const TensorView* view = artifact_.FindTensor(name);
  if (view == nullptr) return DataLoss(artifact_.name() + ": tensor " + name + " is missing");
  if (view->type != type) {
    return DataLoss(artifact_.name() + ": tensor " + name + " has type " + TensorTypeName(view->type) + ", wanted " +
                    TensorTypeName(type));
  }
  taken_.insert(name);
  return *view;
}

Result<TensorView> TensorReader::Take(const std::string& name, TensorType type, size_t bytes) {
  SV_ASSIGN_OR_RETURN(TensorView view, Take(name, type));
  if (view.bytes != bytes) {
    return DataLoss(artifact_.name() + ": tensor " + name + " has " + std::to_string(view.bytes) + " bytes, wanted " +
                    std::to_string(bytes));
  }
  return view;
}

Status TensorReader::Finish() const {
  constexpr size_t kMaxNamed = 3;
  size_t unused = 0;
  std::string names;
  for (const TensorView& view : artifact_.tensors()) {
    if (taken_.count(view.name) != 0) continue;
    if (unused < kMaxNamed) names += (unused == 0 ? "" : ", ") + view.name;
    ++unused;
  }
  if (unused == 0) return Status();
  return DataLoss(artifact_.name() + ": " + std::to_string(unused) + " tensors do not belong to this model: " + names +
                  (unused > kMaxNamed ? ", ..." : ""));
}

}  // namespace sottovoce
