// random on CUDA: a thread draws four elements at a time and stores them at once where their place allows.
#include "cuda_common.h"
#include "random.h"

namespace gan {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocks = 1 << 12;  // of threads, at most: several times as many as a GPU holds at once

// Whole: every sample has a multiple of four elements, and may be written in vectors.
template <typename T, bool Whole, bool Gaussian>
__global__ void __launch_bounds__(kThreads) random_kernel(RandomParams p) {
  using C = Compute<T>;
  const int64_t blocks = (p.count + 3) / 4, total = p.n * blocks, step = static_cast<int64_t>(gridDim.x) * kThreads;
  const bool small = total < 0x7fffffff;  // 32-bit division wherever it is enough
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < total; i += step) {
    const int64_t sample = small ? static_cast<unsigned>(i) / static_cast<unsigned>(blocks) : i / blocks;
    const int64_t block = i - sample * blocks;
    const Block z = draw<Gaussian>(Stream(p.keys + 3 * sample), static_cast<uint32_t>(block));
    T* to = static_cast<T*>(p.to) + sample * p.count;
    const Vec<T, 4> values{{store<T>(C(z.a)), store<T>(C(z.b)), store<T>(C(z.c)), store<T>(C(z.d))}};
    if (Whole) {
      store_vec<4>(to, 4 * block, values);
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (4 * block + k < p.count) to[4 * block + k] = values[k];
      }
    }
  }
}

template <typename T, bool Whole>
int launch(const RandomParams& p, void* stream) {
  const unsigned blocks = grid_size(p.n * ((p.count + 3) / 4), kThreads, kBlocks);
  if (p.gaussian) CU_LAUNCH((random_kernel<T, Whole, true>), blocks, kThreads, 0, stream, p);
  if (!p.gaussian) CU_LAUNCH((random_kernel<T, Whole, false>), blocks, kThreads, 0, stream, p);
  return launch_status();
}

}  // namespace

int random_cuda(Dtype dtype, const RandomParams& p, void* stream) {
  const bool whole = p.count % 4 == 0 && aligned(p.to);
  return dispatch(dtype, [&](auto t) {
    using T = typename decltype(t)::type;
    return whole ? launch<T, true>(p, stream) : launch<T, false>(p, stream);
  });
}

}  // namespace gan
