// A family's rows: for each instruction-set tier, the table of functions that one ISA file exports.
#pragma once

#include "base/cpu_features.h"

namespace sottovoce {

template <typename Kernels>
struct FamilyRow {
  Isa isa;
  const Kernels* kernels;
};

template <typename Kernels>
struct FamilyTable {
  const FamilyRow<Kernels>* first;
  const FamilyRow<Kernels>* last;
  const FamilyRow<Kernels>* begin() const { return first; }
  const FamilyRow<Kernels>* end() const { return last; }

  // The row of `isa`; every family has one for each tier of the architecture, the first of them scalar.
  const Kernels& For(Isa isa) const {
    for (const FamilyRow<Kernels>& row : *this) {
      if (row.isa == isa) return *row.kernels;
    }
    return *first->kernels;
  }
};

}  // namespace sottovoce
