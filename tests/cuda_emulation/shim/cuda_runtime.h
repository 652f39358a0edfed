// Stand-in for CUDA's header: kernels compile with g++ and run on the CPU. The types, and the half types in
// cuda_fp16.h and cuda_bf16.h, are CUDA's own headers.
#pragma once

#include <driver_types.h>
#include <vector_functions.h>
#include <vector_types.h>

#include <cmath>
#include <cstdlib>
#include <type_traits>

#include "cuemu.h"

#define __launch_bounds__(...)

#define CU_SHARED(T, name, dims)                                                                     \
  using name##_type = T dims;                                                                        \
  static char name##_key;                                                                            \
  name##_type& name = *static_cast<name##_type*>(::cuemu::shared(&name##_key, sizeof(name##_type), {__FILE__, __LINE__}))
#define CU_DYN_SHARED(T, name) T* const name = static_cast<T*>(::cuemu::dynamic_shared())
#define CU_LAUNCH(kernel, grid, block, smem, stream, ...) \
  ::cuemu::launch(#kernel, kernel, grid, block, smem, stream, __VA_ARGS__)

#define CUEMU_HERE \
  ::cuemu::Place { __FILE__, __LINE__ }
#define __syncthreads() ::cuemu::barrier(CUEMU_HERE)
#define __syncwarp(...) ::cuemu::sync(CUEMU_HERE __VA_OPT__(, ) __VA_ARGS__)
#define __shfl_sync(...) ::cuemu::shuffle_index(CUEMU_HERE, __VA_ARGS__)
#define __shfl_xor_sync(...) ::cuemu::shuffle_xor(CUEMU_HERE, __VA_ARGS__)
#define __shfl_down_sync(...) ::cuemu::shuffle_down(CUEMU_HERE, __VA_ARGS__)
#define __shfl_up_sync(...) ::cuemu::shuffle_up(CUEMU_HERE, __VA_ARGS__)
#define __ballot_sync(...) ::cuemu::ballot(CUEMU_HERE, __VA_ARGS__)
#define __all_sync(...) ::cuemu::all(CUEMU_HERE, __VA_ARGS__)
#define __any_sync(...) ::cuemu::any(CUEMU_HERE, __VA_ARGS__)

inline void __threadfence() {}
inline void __threadfence_block() {}

template <typename T>
T atomicAdd(T* p, std::common_type_t<T> value) {
  return ::cuemu::atomic(p, [value](T old) { return static_cast<T>(old + value); });
}
template <typename T>
T atomicMax(T* p, std::common_type_t<T> value) {
  return ::cuemu::atomic(p, [value](T old) { return old < value ? value : old; });
}
template <typename T>
T atomicMin(T* p, std::common_type_t<T> value) {
  return ::cuemu::atomic(p, [value](T old) { return value < old ? value : old; });
}

template <typename T>
T __ldg(const T* p) {
  return *p;
}
template <typename T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return std::exp(x); }

inline cudaError_t cudaGetLastError() { return static_cast<cudaError_t>(::cuemu::take_error()); }
inline cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t) {
  std::memset(p, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
