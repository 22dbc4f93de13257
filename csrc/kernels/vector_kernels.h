// The float families of this build, a row for each instruction-set tier, whether or not this CPU can run it (ask
// CpuSupports). For tests and benchmarks; vector_ops.h and gemm.h are what models call.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/embedding/embedding.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/normalize/normalize.h"
#include "kernels/simd/family.h"
#include "kernels/weighted_sum/weighted_sum.h"

namespace sottovoce {

FamilyTable<AttentionKernels> AttentionRows();
FamilyTable<ElementwiseKernels> ElementwiseRows();
FamilyTable<EmbeddingKernels> EmbeddingRows();
FamilyTable<GemmF32Kernels> GemmF32Rows();
FamilyTable<NormalizeKernels> NormalizeRows();
FamilyTable<WeightedSumKernels> WeightedSumRows();

}  // namespace sottovoce
