// Vectors of the CPU kernels: weighted sums of runs of memory, planes beside each other, conversions of runs.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "common.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace gan {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <typename C>
struct Lanes {
  typedef C Vector __attribute__((vector_size(kVectorBytes)));
  static constexpr int count = kVectorBytes / sizeof(C);

  static Vector load(const C* p) {
    Vector v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(C* p, const Vector& v) { std::memcpy(p, &v, sizeof v); }
};

// `count` runs of `length` elements: run r of y is the sum over t of weight[t] * (run r of x[t]).
template <typename C>
struct Sum {
  C* y;
  const C* const* x;
  const C* weight;
  int terms;
  int64_t length, count, y_step, x_step;
};

// N vectors, at steps of elements; Terms = 0 stands for any number.
template <int N, int Terms, typename C>
inline void sum_vectors(const C* const* x, const C* weight, int terms, int64_t at, int64_t x_step, C* y, int64_t y_step) {
  using L = Lanes<C>;
  typename L::Vector sum[N];
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) sum[n] = weight[0] * L::load(x[0] + at + n * x_step);
#pragma GCC unroll 16
  for (int t = 1; t < (Terms ? Terms : terms); ++t) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) sum[n] += weight[t] * L::load(x[t] + at + n * x_step);
  }
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) L::store(y + n * y_step, sum[n]);
}

template <int Terms, typename C>
void sum_runs(const Sum<C>& s) {
  constexpr int kLanes = Lanes<C>::count, kTerms = Terms ? Terms : 1;
  C weights[kTerms];  // copies, which no write to y can change
  const C* sources[kTerms];
  if (Terms) std::memcpy(weights, s.weight, sizeof weights), std::memcpy(sources, s.x, sizeof sources);
  const C* const* x = Terms ? sources : s.x;
  const C* w = Terms ? weights : s.weight;
  auto vectors = [&](int64_t at, int64_t x_step, C* y, int64_t y_step, int64_t count) {
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) sum_vectors<4, Terms>(x, w, s.terms, at + i * x_step, x_step, y + i * y_step, y_step);
    for (; i < count; ++i) sum_vectors<1, Terms>(x, w, s.terms, at + i * x_step, 0, y + i * y_step, 0);
  };
  if (s.length == kLanes) return vectors(0, s.x_step, s.y, s.y_step, s.count);
  for (int64_t run = 0; run < s.count; ++run) {
    C* y = s.y + run * s.y_step;
    const int64_t at = run * s.x_step, rest = s.length % kLanes;
    vectors(at, kLanes, y, kLanes, s.length / kLanes);
    if (rest && s.length > kLanes) {  // the last vector overlaps the one before
      vectors(at + s.length - kLanes, 0, y + s.length - kLanes, 0, 1);
    } else {
      for (int64_t i = s.length - rest; i < s.length; ++i) {
        C sum = 0;
        for (int t = 0; t < (Terms ? Terms : s.terms); ++t) sum += w[t] * x[t][at + i];
        y[i] = sum;
      }
    }
  }
}

// y may not overlap any x.
template <typename C>
void weighted_sum(const Sum<C>& s) {
  switch (s.terms) {
    case 0:
      for (int64_t run = 0; run < s.count; ++run) std::memset(s.y + run * s.y_step, 0, s.length * sizeof(C));
      return;
    case 1: return sum_runs<1>(s);
    case 2: return sum_runs<2>(s);
    case 3: return sum_runs<3>(s);
    case 4: return sum_runs<4>(s);
    case 6: return sum_runs<6>(s);
    case 12: return sum_runs<12>(s);
    default: return sum_runs<0>(s);
  }
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define GAN_SHUFFLES 1
#endif
#endif

// A square of one vector per row, rows becoming columns.
template <typename C>
struct Tile {
  using L = Lanes<C>;
  static constexpr int n = L::count;
  typename L::Vector rows[n];

  void load(const C* x, int64_t pitch, int64_t count) {
#pragma GCC unroll 16
    for (int j = 0; j < n; ++j) rows[j] = j < count ? L::load(x + j * pitch) : typename L::Vector{};
  }
  void store(C* y, int64_t pitch, int64_t count) const {
#pragma GCC unroll 16
    for (int j = 0; j < n; ++j) {
      if (j < count) L::store(y + j * pitch, rows[j]);
    }
  }

#if defined(GAN_SHUFFLES)
  template <int D, size_t... J>
  static void swap_blocks(typename L::Vector& a, typename L::Vector& b, std::index_sequence<J...>) {
    const typename L::Vector upper = __builtin_shufflevector(a, b, (J & D ? int(n + J - D) : int(J))...);
    b = __builtin_shufflevector(a, b, (J & D ? int(n + J) : int(J + D))...);
    a = upper;
  }

  // Exchanges the D x D blocks beside the diagonal, for D = 1, 2, 4, ...
  template <int D = 1>
  void transpose() {
    if constexpr (D < n) {
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) {
        if (!(i & D)) swap_blocks<D>(rows[i], rows[i + D], std::make_index_sequence<n>());
      }
      transpose<2 * D>();
    }
  }
#else
  void transpose() {
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < i; ++j) std::swap(rows[i][j], rows[j][i]);
    }
  }
#endif
};

// The same `count` elements of up to one vector of planes, `pitch` apart, into vectors, one per element.
template <typename C>
void planes_to_lanes(const C* x, int64_t pitch, int64_t planes, int64_t count, C* y) {
  constexpr int n = Tile<C>::n;
  int64_t i = 0;
  for (; i + n <= count; i += n) {
    Tile<C> tile;
    tile.load(x + i, pitch, planes);
    tile.transpose();
    tile.store(y + i * n, n, n);
  }
  for (; i < count; ++i) {
    for (int64_t j = 0; j < n; ++j) y[i * n + j] = j < planes ? x[j * pitch + i] : C(0);
  }
}

template <typename C>
void lanes_to_planes(const C* x, C* y, int64_t pitch, int64_t planes, int64_t count) {
  constexpr int n = Tile<C>::n;
  int64_t i = 0;
  for (; i + n <= count; i += n) {
    Tile<C> tile;
    tile.load(x + i * n, n, n);
    tile.transpose();
    tile.store(y + i, pitch, planes);
  }
  for (; i < count; ++i) {
    for (int64_t j = 0; j < planes; ++j) y[j * pitch + i] = x[i * n + j];
  }
}

// Memory that starts where a vector may: sums run faster over whole cache lines.
template <typename C>
class Scratch {
 public:
  explicit Scratch(int64_t size = 0) : size_(size), data_(size ? new (kAlign) C[size]() : nullptr) {}
  ~Scratch() { operator delete[](data_, kAlign); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  C* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  static constexpr std::align_val_t kAlign{64};
  int64_t size_;
  C* data_;
};

// Storage to arithmetic type and back, a run at a time.
template <typename T>
void load_run(const T* x, Compute<T>* y, int64_t count) {
  int64_t i = 0;
#if defined(__F16C__)
  if constexpr (std::is_same_v<T, Half>) {
    for (; i + 8 <= count; i += 8) {
      _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
    }
  }
#endif
  for (; i < count; ++i) y[i] = Compute<T>(x[i]);
}

template <typename T>
void store_run(const Compute<T>* x, T* y, int64_t count) {
  int64_t i = 0;
#if defined(__F16C__)
  if constexpr (std::is_same_v<T, Half>) {
    for (; i + 8 <= count; i += 8) {
      const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), half);
    }
  }
#endif
  for (; i < count; ++i) y[i] = T(x[i]);
}

}  // namespace gan
