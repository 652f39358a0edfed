// Element-wise work on runs of memory: half types pass through short buffers of floats, so that loops vectorise.
#pragma once

#include <algorithm>
#include <array>

#include "lanes.h"

namespace gan {

template <typename T, size_t K>
using Pointers = std::array<const T*, K>;

// Calls run(xs, y, start, n) on pieces of K runs of `count` elements, as arithmetic types; null ones stay null.
// What run writes to its y is stored as T.
template <typename T, size_t K, typename F>
void in_runs(const Pointers<T, K>& xs, T* y, int64_t count, const F& run) {
  using C = Compute<T>;
  if constexpr (std::is_same_v<T, C>) {
    run(xs, y, int64_t(0), count);
  } else {
    constexpr int64_t kPiece = 256;
    C wide[K][kPiece], out[kPiece];
    for (int64_t start = 0; start < count; start += kPiece) {
      const int64_t n = std::min(kPiece, count - start);
      Pointers<C, K> pieces{};
      for (size_t k = 0; k < K; ++k) {
        if (xs[k] == nullptr) continue;
        load_run(xs[k] + start, wide[k], n);
        pieces[k] = wide[k];
      }
      run(pieces, static_cast<C*>(out), start, n);
      store_run(out, y + start, n);
    }
  }
}

// A small tensor as arithmetic type.
template <typename T>
std::vector<Compute<T>> widened(const void* x, int64_t count) {
  std::vector<Compute<T>> values(count);
  load_run(static_cast<const T*>(x), values.data(), count);
  return values;
}

}  // namespace gan
