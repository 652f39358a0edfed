// random on the CPU, and the binding of both devices.
#include "random.h"

#include <algorithm>

#include "lanes.h"

namespace gan {
namespace {

#if !defined(GAN_CUDA)
constexpr int64_t kRun = 256;  // blocks of four elements that are drawn together
constexpr int64_t kWork = 8;   // an element costs as much as so many that are only moved

template <bool Gaussian>
void draw_run(const Stream& stream, int64_t first, int64_t blocks, float* to) {
#pragma omp simd
  for (int64_t i = 0; i < blocks; ++i) {
    const Block z = draw<Gaussian>(stream, static_cast<uint32_t>(first + i));
    to[4 * i] = z.a, to[4 * i + 1] = z.b, to[4 * i + 2] = z.c, to[4 * i + 3] = z.d;
  }
}

template <typename T>
void store_floats(const float* from, T* to, int64_t count) {
  if constexpr (std::is_same_v<T, double>) {
    std::copy(from, from + count, to);
  } else {
    store_run(from, to, count);
  }
}

template <typename T>
void run(const RandomParams& p) {
  const int64_t runs = (p.count + 4 * kRun - 1) / (4 * kRun);
  parallel(p.n * runs, kWork * std::min(4 * kRun, p.count), [&](int64_t begin, int64_t end) {
    float drawn[4 * kRun];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t sample = task / runs, first = task % runs * 4 * kRun;
      const int64_t count = std::min(4 * kRun, p.count - first), blocks = (count + 3) / 4;
      const Stream stream(p.keys + 3 * sample);
      if (p.gaussian) draw_run<true>(stream, first / 4, blocks, drawn);
      if (!p.gaussian) draw_run<false>(stream, first / 4, blocks, drawn);
      store_floats(drawn, static_cast<T*>(p.to) + sample * p.count + first, count);
    }
  });
}
#endif

Tensor random(Tensor keys, int64_t count, ScalarType dtype, bool gaussian) {
  STD_TORCH_CHECK(keys.dim() == 2 && keys.size(1) == 3 && keys.scalar_type() == ScalarType::Long,
                  "keys must be int64 [N, 3]");
  STD_TORCH_CHECK(count >= 0 && count <= int64_t(1) << 34, "count must be 0 to 2^34, got ", count);
  keys = torch::stable::contiguous(keys);
  const std::vector<int64_t> size = {keys.size(0), count};
  Tensor to = torch::stable::empty(size, dtype, std::nullopt, keys.device());
  const Dtype type = dtype_of(to);
  if (to.numel() == 0) return to;
  const RandomParams p{static_cast<const int64_t*>(keys.data_ptr()), to.data_ptr(), keys.size(0), count, gaussian};
#if defined(GAN_CUDA)
  on_stream(keys, "random", [&](void* stream) { return random_cuda(type, p, stream); });
#else
  dispatch(type, [&](auto zero) { run<decltype(zero)>(p); });
#endif
  return to;
}

}  // namespace

GAN_SCHEMAS(m) { m.def("random(Tensor keys, SymInt count, ScalarType dtype, bool gaussian) -> Tensor"); }

GAN_KERNELS(m) { m.impl("random", TORCH_BOX(&random)); }

}  // namespace gan
