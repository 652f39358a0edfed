// Power iteration on CUDA: two kernels per iteration, one over rows and one over columns, and one that finishes.
// Each normalises the vector that it reads by a norm that it computes on the way, so none waits for a norm. There
// are no atomics: the sums come in the same order every time.
#include "cuda_common.h"
#include "spectral_norm.h"

namespace gan {
namespace {

constexpr int kThreads = 256, kFinish = 1024;
constexpr int kColumns = 32, kRows = 16;  // threads of a block of the kernel over columns
constexpr unsigned kAll = 0xffffffffu;

// Two sums over the block, in every thread; `Threads` is its size.
template <int Threads, typename C>
__device__ __forceinline__ void block_sums(C& a, C& b) {
  using Pair = Vec<C, 2>;
  constexpr int kWarps = Threads / 32;
  CU_SHARED(Pair, parts, [kWarps]);
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    a += __shfl_xor_sync(kAll, a, offset);
    b += __shfl_xor_sync(kAll, b, offset);
  }
  if (threadIdx.x % 32 == 0) {
    parts[threadIdx.x / 32][0] = a;
    parts[threadIdx.x / 32][1] = b;
  }
  __syncthreads();
  a = b = C(0);
  for (int warp = 0; warp < kWarps; ++warp) a += parts[warp][0], b += parts[warp][1];
}

template <typename C>
__device__ __forceinline__ C inverse_norm(C squares, double eps) {
  const C least = C(eps) * C(eps);
  return rsqrt(squares > least ? squares : least);
}

// Where column `column` of row 0 lies in the weight.
__device__ __forceinline__ int64_t column_at(const SpectralNormParams& p, int64_t column) {
  if (p.outer == 1) return column;
  const int64_t o = column / p.inner;
  return o * p.rows * p.inner + (column - o * p.inner);
}

// product[row] = W v, one block per row. S: the type of v. `first`: v is the given one, normalised already.
template <typename T, int V, typename S>
__global__ void __launch_bounds__(kThreads) rows_kernel(SpectralNormParams p, const S* v, bool first) {
  using C = Compute<T>;
  const int64_t rest = p.outer * p.inner;
  const T* row = static_cast<const T*>(p.weight) + blockIdx.x * p.inner;
  C sum = C(0), squares = C(0);
  for (int64_t i = static_cast<int64_t>(threadIdx.x) * V; i < rest; i += kThreads * V) {
    const Vec<T, V> w = load_vec<V>(row, column_at(p, i));
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const C value = load(v[i + k]);
      sum += load(w[k]) * value;
      squares += value * value;
    }
  }
  block_sums<kThreads>(sum, squares);
  if (threadIdx.x == 0) {
    static_cast<C*>(p.product)[blockIdx.x] = first ? sum : sum * inverse_norm(squares, p.eps);
  }
}

// transposed = W^T normalize(product), kColumns columns per block.
template <typename T>
__global__ void __launch_bounds__(kColumns* kRows) columns_kernel(SpectralNormParams p) {
  using C = Compute<T>;
  using Pair = Vec<C, 2>;
  CU_SHARED(Pair, parts, [kRows][kColumns + 1]);
  const int64_t rest = p.outer * p.inner, column = static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  const C* product = static_cast<const C*>(p.product);
  C sum = C(0), squares = C(0);
  if (column < rest) {
    const T* w = static_cast<const T*>(p.weight) + column_at(p, column);
#pragma unroll 4
    for (int64_t r = threadIdx.y; r < p.rows; r += kRows) {
      const C s = product[r];
      sum += load(w[r * p.inner]) * s;
      squares += s * s;
    }
  }
  parts[threadIdx.y][threadIdx.x][0] = sum;
  parts[threadIdx.y][threadIdx.x][1] = squares;
  __syncthreads();
  if (threadIdx.y != 0 || column >= rest) return;
  for (int k = 1; k < kRows; ++k) {
    sum += parts[k][threadIdx.x][0];
    squares += parts[k][threadIdx.x][1];
  }
  static_cast<C*>(p.transposed)[column] = sum * inverse_norm(squares, p.eps);
}

// u, v and sigma from product and transposed, by one block.
template <typename T>
__global__ void __launch_bounds__(kFinish) finish_kernel(SpectralNormParams p) {
  using C = Compute<T>;
  const int64_t rest = p.outer * p.inner;
  const C *product = static_cast<const C*>(p.product), *transposed = static_cast<const C*>(p.transposed);
  const T *u = static_cast<const T*>(p.u), *v = static_cast<const T*>(p.v);
  T *new_u = static_cast<T*>(p.new_u), *new_v = static_cast<T*>(p.new_v);
  const bool still = p.steps == 0;
  C left = C(0), right = C(0);  // squared norms; if nothing moves, left is u^T W v
  for (int64_t r = threadIdx.x; r < p.rows; r += kFinish) left += product[r] * (still ? load(u[r]) : product[r]);
  for (int64_t i = threadIdx.x; !still && i < rest; i += kFinish) right += transposed[i] * transposed[i];
  block_sums<kFinish>(left, right);
  C of_u, of_v = C(0);
#pragma unroll 1  // the slow path of a root only once in the code: two of them spill registers in float64
  for (int k = 0; k < 2; ++k) of_u = of_v, of_v = inverse_norm(k == 0 ? left : right, p.eps);
  for (int64_t r = threadIdx.x; r < p.rows; r += kFinish) new_u[r] = still ? u[r] : store<T>(product[r] * of_u);
  for (int64_t i = threadIdx.x; i < rest; i += kFinish) new_v[i] = still ? v[i] : store<T>(transposed[i] * of_v);
  if (threadIdx.x == 0) *static_cast<T*>(p.sigma) = store<T>(still ? left : right * of_v);
}

template <typename T, int V>
int launch(const SpectralNormParams& p, void* stream) {
  using C = Compute<T>;
  const unsigned rows = static_cast<unsigned>(p.rows), columns = grid_size(p.outer * p.inner, kColumns);
  const T* given = static_cast<const T*>(p.v);
  const C* transposed = static_cast<const C*>(p.transposed);
  for (int64_t step = 0; step < (p.steps > 0 ? p.steps : 1); ++step) {
    if (step == 0) CU_LAUNCH((rows_kernel<T, V, T>), rows, kThreads, 0, stream, p, given, true);
    if (step > 0) CU_LAUNCH((rows_kernel<T, V, C>), rows, kThreads, 0, stream, p, transposed, false);
    if (p.steps > 0) CU_LAUNCH((columns_kernel<T>), columns, dim3(kColumns, kRows), 0, stream, p);
  }
  CU_LAUNCH((finish_kernel<T>), 1, kFinish, 0, stream, p);
  return launch_status();
}

}  // namespace

int spectral_norm_cuda(Dtype dtype, const SpectralNormParams& p, void* stream) {
  return dispatch(dtype, [&](auto t) {
    using T = typename decltype(t)::type;
    constexpr int V = VECTOR<T>;
    return p.inner % V == 0 && aligned(p.weight) ? launch<T, V>(p, stream) : launch<T, 1>(p, stream);
  });
}

}  // namespace gan
