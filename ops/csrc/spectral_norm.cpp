// Power iteration on the CPU, and the binding of both devices.
#include "spectral_norm.h"

#include <algorithm>
#include <tuple>

#include "common.h"

namespace gan {
namespace {

#if !defined(GAN_CUDA)
constexpr int64_t kRows = 4;           // handled together, so that v and the sums are read once for all of them
constexpr int64_t kChunk = 65536;      // elements of the weight that one task takes, at least
constexpr int64_t kMostChunks = 32;    // each has its own sums over its rows
constexpr int64_t kColumns = 1024;     // of these sums, that one task adds up

template <typename C>
C squares(const C* a, int64_t count) {
  C sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += a[i] * a[i];
  return sum;
}

template <typename C>
C inverse_norm(const std::vector<C>& a, double eps) {
  return C(1) / std::max(std::sqrt(squares(a.data(), int64_t(a.size()))), C(eps));
}

// Four rows of the weight; `piece` lies between two pieces of one row.
template <typename T>
struct Rows {
  const T* at[kRows];
  int64_t piece, outer, inner;
};

// sums[k] = row k of W times v.
template <typename T, typename C>
void products(const Rows<T>& rows, const C* v, C* sums) {
  C s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int64_t o = 0; o < rows.outer; ++o, v += rows.inner) {
    const T *a = rows.at[0] + o * rows.piece, *b = rows.at[1] + o * rows.piece;
    const T *c = rows.at[2] + o * rows.piece, *d = rows.at[3] + o * rows.piece;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (int64_t i = 0; i < rows.inner; ++i) {
      s0 += C(a[i]) * v[i], s1 += C(b[i]) * v[i], s2 += C(c[i]) * v[i], s3 += C(d[i]) * v[i];
    }
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

// t += sum over k of s[k] times row k.
template <typename T, typename C>
void accumulate(const Rows<T>& rows, const C* s, C* t) {
  const C s0 = s[0], s1 = s[1], s2 = s[2], s3 = s[3];
  for (int64_t o = 0; o < rows.outer; ++o, t += rows.inner) {
    const T *a = rows.at[0] + o * rows.piece, *b = rows.at[1] + o * rows.piece;
    const T *c = rows.at[2] + o * rows.piece, *d = rows.at[3] + o * rows.piece;
#pragma omp simd
    for (int64_t i = 0; i < rows.inner; ++i) t[i] += (s0 * C(a[i]) + s1 * C(b[i])) + (s2 * C(c[i]) + s3 * C(d[i]));
  }
}

// The split into chunks depends on the sizes alone, so results do not depend on the number of threads.
template <typename T>
class PowerIteration {
  using C = Compute<T>;

 public:
  explicit PowerIteration(const SpectralNormParams& p)
      : p(p), rest(p.outer * p.inner), u(load(p.u, p.rows)), v(load(p.v, rest)) {
    const int64_t wanted = std::min(p.rows * rest / kChunk, std::min(kMostChunks, p.rows));
    each = (p.rows + std::max<int64_t>(wanted, 1) - 1) / std::max<int64_t>(wanted, 1);
    chunks = (p.rows + each - 1) / each;
  }

  void run() {
    std::vector<C> product(p.rows);
    C sigma = 0;
    for (int64_t step = 0; step < p.steps; ++step) sigma = iterate(product);
    if (p.steps == 0) {
      pass(product, nullptr);
      for (int64_t r = 0; r < p.rows; ++r) sigma += u[r] * product[r];
    }
    store(u, p.new_u), store(v, p.new_v);
    *static_cast<T*>(p.sigma) = T(sigma);
  }

 private:
  // u, v = normalize(W v), normalize(W^T u); returns u^T W v = (W^T u) v.
  C iterate(std::vector<C>& product) {
    std::vector<C> sums(chunks * rest);
    pass(product, sums.data());
    const C scale = inverse_norm(product, p.eps);
    for (int64_t r = 0; r < p.rows; ++r) u[r] = product[r] * scale;
    parallel((rest + kColumns - 1) / kColumns, kColumns * chunks, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * kColumns, last = std::min(end * kColumns, rest);
      std::fill(v.begin() + first, v.begin() + last, C(0));
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const C* sum = sums.data() + chunk * rest;
#pragma omp simd
        for (int64_t i = first; i < last; ++i) v[i] += sum[i] * scale;
      }
    });
    const C squared = squares(v.data(), rest), inverse = inverse_norm(v, p.eps);
    for (C& value : v) value *= inverse;
    return squared * inverse;
  }

  // product = W v and, for each chunk of rows, sums = its part of W^T product, while the rows are in the cache.
  void pass(std::vector<C>& product, C* sums) {
    parallel(chunks, each * rest, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t last = std::min((chunk + 1) * each, p.rows);
        for (int64_t r = chunk * each; r < last; r += kRows) {
          const int64_t count = std::min(kRows, last - r);
          Rows<T> rows{{}, p.rows * p.inner, p.outer, p.inner};
          for (int64_t k = 0; k < kRows; ++k) {
            rows.at[k] = static_cast<const T*>(p.weight) + (r + std::min(k, count - 1)) * p.inner;
          }
          C s[kRows];
          products(rows, v.data(), s);
          std::copy(s, s + count, product.begin() + r);
          std::fill(s + count, s + kRows, C(0));
          if (sums != nullptr) accumulate(rows, s, sums + chunk * rest);
        }
      }
    });
  }

  static std::vector<C> load(const void* from, int64_t count) {
    std::vector<C> values(count);
    for (int64_t i = 0; i < count; ++i) values[i] = C(static_cast<const T*>(from)[i]);
    return values;
  }

  static void store(const std::vector<C>& values, void* to) {
    for (size_t i = 0; i < values.size(); ++i) static_cast<T*>(to)[i] = T(values[i]);
  }

  const SpectralNormParams& p;
  int64_t rest, each, chunks;
  std::vector<C> u, v;
};
#endif

void check_vector(const Tensor& weight, const Tensor& a, int64_t size, const char* name) {
  STD_TORCH_CHECK(a.dim() == 1 && a.size(0) == size, name, " must be [", size, "]");
  STD_TORCH_CHECK(dtype_of(a) == dtype_of(weight), name, " must have the dtype of the weight");
  check_same_device(weight, a, name);
}

std::tuple<Tensor, Tensor, Tensor> power_iteration(Tensor weight, Tensor u, Tensor v, int64_t dim, int64_t steps,
                                                   double eps) {
  STD_TORCH_CHECK(dim >= 0 && dim < weight.dim(), "dim must be an axis of the weight");
  STD_TORCH_CHECK(steps >= 0, "steps must be >= 0, got ", steps);
  STD_TORCH_CHECK(weight.numel() > 0, "the weight is empty");
  weight = torch::stable::contiguous(weight), u = torch::stable::contiguous(u), v = torch::stable::contiguous(v);
  SpectralNormParams p{};
  p.rows = weight.size(dim), p.steps = steps, p.eps = eps, p.outer = p.inner = 1;
  for (int64_t i = 0; i < dim; ++i) p.outer *= weight.size(i);
  for (int64_t i = dim + 1; i < weight.dim(); ++i) p.inner *= weight.size(i);
  check_vector(weight, u, p.rows, "u");
  check_vector(weight, v, p.outer * p.inner, "v");
  Tensor new_u = torch::stable::empty_like(u), new_v = torch::stable::empty_like(v);
  Tensor sigma = torch::stable::new_empty(weight, {});
  p.weight = weight.data_ptr(), p.u = u.data_ptr(), p.v = v.data_ptr();
  p.new_u = new_u.data_ptr(), p.new_v = new_v.data_ptr(), p.sigma = sigma.data_ptr();
#if defined(GAN_CUDA)
  const auto arithmetic = dtype_of(weight) == Dtype::Float64 ? ScalarType::Double : ScalarType::Float;
  Tensor product = torch::stable::new_empty(u, {p.rows}, arithmetic);
  Tensor transposed = torch::stable::new_empty(v, {p.outer * p.inner}, arithmetic);
  p.product = product.data_ptr(), p.transposed = transposed.data_ptr();
  on_stream(weight, "power_iteration", [&](void* stream) { return spectral_norm_cuda(dtype_of(weight), p, stream); });
#else
  dispatch(dtype_of(weight), [&](auto zero) { PowerIteration<decltype(zero)>(p).run(); });
#endif
  return {new_u, new_v, sigma};
}

}  // namespace

GAN_SCHEMAS(m) {
  m.def(
      "power_iteration(Tensor weight, Tensor u, Tensor v, int dim, int steps, float eps) -> (Tensor, Tensor, Tensor)");
}

GAN_KERNELS(m) { m.impl("power_iteration", TORCH_BOX(&power_iteration)); }

}  // namespace gan
