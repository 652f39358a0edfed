// Power iteration for the largest singular value of a weight, which is read once per iteration on the CPU.
//
// W is [rows, rest], u = normalize(W v), v = normalize(W^T u) (Miyato et al. 2018, algorithm 1), where
// normalize(a) = a / max(|a|, eps). The axis of the rows may be any axis of the weight: memory holds
// [outer, rows, inner], and rest = outer * inner.
#pragma once

#include <cmath>
#include <cstdint>

#include "dtype.h"

namespace gan {

using std::sqrt;

struct SpectralNormParams {
  const void *weight, *u, *v;
  void *new_u, *new_v, *sigma;  // sigma = u^T W v of the new u and v
  void *product, *transposed;   // CUDA: room for W v [rows] and W^T u [rest], of the arithmetic type
  int64_t outer, rows, inner, steps;  // steps = 0: u and v stay as they are
  double eps;
};

// Launches on `stream`; returns the cudaError_t.
int spectral_norm_cuda(Dtype dtype, const SpectralNormParams& p, void* stream);

}  // namespace gan
