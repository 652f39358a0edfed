// What every CUDA kernel file needs: launch and shared-memory macros, vectors, conversions, dispatch.
//
// A .cu file includes only this header and its operator's own one, and uses no <<<>>> and no bare __shared__.
// The three macros are the seam at which the tests run the same kernels on the CPU
// (tests/cuda_emulation/shim/cuda_runtime.h defines them there).
//
//   CU_SHARED(T, name, [H][W]);              static shared array T name[H][W], not initialised
//   CU_DYN_SHARED(T, name);                  T* name: the dynamic shared memory of the launch
//   CU_LAUNCH((kern<T, V>), grid, block, smem_bytes, stream, args...);    stream: cudaStream_t or void*
//
// A type with a comma needs an alias first: using Row = Vec<T, 4>; CU_SHARED(Row, rows, [8]).
// Put __launch_bounds__(threads) on every kernel, kernels into an anonymous namespace, and give warp
// operations their _sync form with a mask.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "dtype.h"

#ifdef __CUDACC__
#define CU_SHARED(T, name, dims) __shared__ T name dims
#define CU_DYN_SHARED(T, name)                                       \
  extern __shared__ __align__(16) unsigned char cu_dynamic_shared[]; \
  T* const name = reinterpret_cast<T*>(cu_dynamic_shared)
#define CU_LAUNCH(kernel, grid, block, smem, stream, ...) \
  kernel<<<grid, block, smem, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)
#endif

namespace gan {

// Arithmetic type of storage type T: double for double, float for the others.
template <typename T>
struct ComputeOf {
  using type = float;
};
template <>
struct ComputeOf<double> {
  using type = double;
};
template <typename T>
using Compute = typename ComputeOf<T>::type;

// load(value): storage to arithmetic type; exact.
__device__ __forceinline__ float load(float v) { return v; }
__device__ __forceinline__ double load(double v) { return v; }
__device__ __forceinline__ float load(__half v) { return __half2float(v); }
__device__ __forceinline__ float load(__nv_bfloat16 v) { return __bfloat162float(v); }

// store<T>(value): arithmetic to storage type, rounded to nearest even.
template <typename T>
__device__ __forceinline__ T store(Compute<T> v) {
  return v;
}
template <>
__device__ __forceinline__ __half store<__half>(float v) {
  return __float2half_rn(v);
}
template <>
__device__ __forceinline__ __nv_bfloat16 store<__nv_bfloat16>(float v) {
  return __float2bfloat16_rn(v);
}

// N values of T that move in one access: 128 bits for N = VECTOR<T>. N is a power of two.
template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Vec {
  T v[N];
  __host__ __device__ T& operator[](int i) { return v[i]; }
  __host__ __device__ const T& operator[](int i) const { return v[i]; }
};
template <typename T>
constexpr int VECTOR = 16 / static_cast<int>(sizeof(T));

// The vector at element `index` of p; p + index must be aligned to sizeof(Vec<T, N>).
template <int N, typename T>
__device__ __forceinline__ Vec<T, N> load_vec(const T* p, int64_t index) {
  return *reinterpret_cast<const Vec<T, N>*>(p + index);
}
template <int N, typename T>
__device__ __forceinline__ void store_vec(T* p, int64_t index, const Vec<T, N>& value) {
  *reinterpret_cast<Vec<T, N>*>(p + index) = value;
}

// May p be read in pieces of so many bytes? Every pointer of a tensor must be asked: one with a storage offset begins
// at any of its elements. True for a null pointer, so that optional arguments need no case.
inline bool aligned(const void* p, size_t bytes = 16) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

// Blocks in x for `items` at `per_block` each, at least 1 and at most `limit` (the kernel then strides).
inline unsigned grid_size(int64_t items, int64_t per_block, int64_t limit = 0x7fffffff) {
  const int64_t blocks = (items + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < limit ? blocks : limit);
}

template <typename T>
struct Type {
  using type = T;
};

// launch(Type<T>{}) for the storage type that dtype names:
//   return dispatch(dtype, [&](auto t) { return launch<typename decltype(t)::type>(params, stream); });
template <typename F>
int dispatch(Dtype dtype, const F& launch) {
  switch (dtype) {
    case Dtype::Float32:
      return launch(Type<float>{});
    case Dtype::Float64:
      return launch(Type<double>{});
    case Dtype::Float16:
      return launch(Type<__half>{});
    case Dtype::BFloat16:
      return launch(Type<__nv_bfloat16>{});
  }
  return static_cast<int>(cudaErrorInvalidValue);
}

// The error of the launches since the last call, as <op>_cuda returns it; 0 is success.
inline int launch_status() { return static_cast<int>(cudaGetLastError()); }

}  // namespace gan
