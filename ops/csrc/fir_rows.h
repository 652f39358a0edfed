// Weighted sums of rows on the CPU, a block of a row at a time in vector registers.
#pragma once

#include <vector>

#include "lanes.h"

namespace gan {

template <typename C>
constexpr int64_t kLanes = Lanes<C>::count;

template <typename C>
int64_t round_to_lanes(int64_t n) {
  return (n + kLanes<C> - 1) / kLanes<C> * kLanes<C>;
}

// weight * rows[row][offset + i]
template <typename C>
struct Term {
  int32_t row, offset;
  C weight;
};

template <typename C>
using Terms = std::vector<Term<C>>;

// K vectors of dst, from element `at` on.
template <typename C, int K>
inline void fir_block(C* dst, const C* const* rows, const Terms<C>& terms, int64_t at) {
  using L = Lanes<C>;
  typename L::Vector sum[K];
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) sum[k] = typename L::Vector{};
  for (const Term<C>& term : terms) {
    const C* row = rows[term.row] + term.offset + at;
    const C weight = term.weight;
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) sum[k] += L::load(row + k * L::count) * weight;
  }
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) L::store(dst + at + k * L::count, sum[k]);
}

template <typename C, int K>
inline void fir_rest(C* dst, const C* const* rows, const Terms<C>& terms, int64_t at, int64_t vectors) {
  if constexpr (K > 0) {
    if (vectors == K) return fir_block<C, K>(dst, rows, terms, at);
    fir_rest<C, K - 1>(dst, rows, terms, at, vectors);
  }
}

// dst[i] = sum of the terms at i, for 0 <= i < n and on to a whole number of vectors.
template <typename C>
inline void fir(C* dst, const C* const* rows, const Terms<C>& terms, int64_t n) {
  constexpr int kBlock = 8;
  const int64_t vectors = (n + kLanes<C> - 1) / kLanes<C>;
  int64_t v = 0;
  for (; v + kBlock <= vectors; v += kBlock) fir_block<C, kBlock>(dst, rows, terms, v * kLanes<C>);
  fir_rest<C, kBlock - 1>(dst, rows, terms, v * kLanes<C>, vectors - v);
}

// A ring of rows that start as zeros.
template <typename C>
class Rows {
 public:
  // `count` rows of `length` elements, rounded up to vectors, and a vector of slack after the last.
  Rows(int64_t count, int64_t length)
      : count_(count), stride_(round_to_lanes<C>(length)), memory_(count * stride_ + kLanes<C>) {}

  // The row that index i has in this ring.
  C* operator[](int64_t i) const { return memory_.data() + i % count_ * stride_; }

 private:
  int64_t count_, stride_;
  Scratch<C> memory_;
};

}  // namespace gan
