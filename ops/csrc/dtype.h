// Element types that every operator accepts, and what the per-element arithmetic is compiled with.
#pragma once

#if defined(__CUDACC__)
#define GAN_HD __host__ __device__ __forceinline__
#else
#define GAN_HD inline
#endif

namespace gan {

// The order is part of the boundary between the bindings and the CUDA files.
enum class Dtype : int { Float32 = 0, Float64 = 1, Float16 = 2, BFloat16 = 3 };

}  // namespace gan
