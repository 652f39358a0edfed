// store_at_once(p, values): one access for values that were reckoned one by one, where nvcc splits an assignment.
#pragma once

#include <cstring>

#include "cuda_common.h"

namespace gan {

template <int BYTES>
struct WordsOf;
template <>
struct WordsOf<4> {
  using type = unsigned;
};
template <>
struct WordsOf<8> {
  using type = uint2;
};
template <>
struct WordsOf<16> {
  using type = uint4;
};

// p must be aligned to sizeof(Vec<T, N>).
template <typename T, int N>
__device__ __forceinline__ void store_at_once(T* p, const Vec<T, N>& values) {
  using Words = typename WordsOf<sizeof(T) * N>::type;
  Words words;
  memcpy(&words, &values, sizeof(words));
#ifdef __CUDACC__
  __stwb(reinterpret_cast<Words*>(p), words);  // write back: how any store is cached
#else
  *reinterpret_cast<Words*>(p) = words;
#endif
}

}  // namespace gan
