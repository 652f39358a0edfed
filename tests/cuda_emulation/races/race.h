// What the drivers of the race check share: arrays of exact size, and the end of the process on a failed launch.
//
// A driver calls an operator's launch function on small shapes that need several blocks and tiles; compiled with
// ThreadSanitizer, it reports every pair of accesses that no barrier puts in order. Values are tested elsewhere.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "dtype.h"

// `count` elements of `bytes` each with harmless values: every byte 0x3c is 0.0115 as float, 1.06 as float16.
class Array {
 public:
  explicit Array(int64_t count, int bytes = 4) : data_(static_cast<size_t>(count * bytes), 0x3c) {}
  template <typename T = void>
  T* get() {
    return reinterpret_cast<T*>(data_.data());
  }

 private:
  std::vector<unsigned char> data_;
};

inline int bytes(gan::Dtype dtype) {
  switch (dtype) {
    case gan::Dtype::Float32: return 4;
    case gan::Dtype::Float64: return 8;
    case gan::Dtype::Float16:
    case gan::Dtype::BFloat16: break;
  }
  return 2;
}

inline void launched(int error) {
  if (error == 0) return;
  std::printf("launch failed with error %d\n", error);
  std::exit(1);
}
