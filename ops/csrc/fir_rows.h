// Weighted sums of rows on the CPU, a block of a row at a time in vector registers.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace gan {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <typename C>
constexpr int kLanes = kVectorBytes / int(sizeof(C));

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
  typedef C V __attribute__((vector_size(kVectorBytes), aligned(sizeof(C)), may_alias));
  V sum[K];
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) sum[k] = V{};
  for (const Term<C>& term : terms) {
    const V* row = reinterpret_cast<const V*>(rows[term.row] + term.offset + at);
    const C weight = term.weight;
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) sum[k] += row[k] * weight;
  }
  V* out = reinterpret_cast<V*>(dst + at);
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) out[k] = sum[k];
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

// Zeros, aligned to vectors.
template <typename C>
class Rows {
 public:
  // `count` rows of `length` elements, rounded up to vectors, and a vector of slack after the last.
  Rows(int64_t count, int64_t length) : stride_(round_to_lanes<C>(length)) {
    const size_t bytes = size_t(count * stride_ + kLanes<C>) * sizeof(C);
    const size_t whole = (bytes + kVectorBytes - 1) / kVectorBytes * kVectorBytes;
    data_.reset(static_cast<C*>(std::aligned_alloc(kVectorBytes, whole)));
    std::memset(data_.get(), 0, whole);
    count_ = count;
  }

  // The row that index i has in this ring.
  C* operator[](int64_t i) const { return data_.get() + i % count_ * stride_; }

 private:
  struct Free {
    void operator()(C* p) const { std::free(p); }
  };
  std::unique_ptr<C, Free> data_;
  int64_t stride_, count_ = 0;
};

}  // namespace gan
