// upfirdn2d on CUDA: one thread an output, for every factor, filter and layout.
#include "cuda_common.h"
#include "upfirdn2d.h"

namespace gan {
namespace {

constexpr int kThreads = 256;

// Elements in memory order, [batch, height, width, inner]; taps times gain are rounded to float.
template <typename T>
__global__ void __launch_bounds__(kThreads) general_kernel(Upfirdn2dParams p) {
  using C = Compute<T>;
  const FirAxis &h = p.horizontal, &v = p.vertical;
  const int64_t count = p.batch * v.out * h.out * p.inner;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += stride) {
    const int64_t pixel = i / p.inner, row = pixel / h.out, image = row / v.out;
    const FirWindow wx = fir_window(h, pixel - row * h.out), wy = fir_window(v, row - image * v.out);
    const T* x = static_cast<const T*>(p.x) + image * v.in * h.in * p.inner + (i - pixel * p.inner);
    C sum = 0;
    int64_t sy = wy.sample;
    for (int ty = wy.tap; ty < v.taps; ty += v.up, ++sy) {
      if (sy < 0 || sy >= v.in) continue;
      const int at_y = fir_index(ty, v.taps, p.flip);
      const float* f = p.separable ? p.f : p.f + at_y * h.taps;
      C line = 0;
      int64_t sx = wx.sample;
      for (int tx = wx.tap; tx < h.taps; tx += h.up, ++sx) {
        if (sx < 0 || sx >= h.in) continue;
        line += C(f[fir_index(tx, h.taps, p.flip)] * p.gain) * load(x[(sy * h.in + sx) * p.inner]);
      }
      sum += p.separable ? line * C(p.f[at_y] * p.gain) : line;
    }
    static_cast<T*>(p.y)[i] = store<T>(sum);
  }
}

}  // namespace

int upfirdn2d_cuda(Dtype dtype, const Upfirdn2dParams& p, void* stream) {
  const int64_t count = p.batch * p.vertical.out * p.horizontal.out * p.inner;
  const unsigned blocks = grid_size(count, kThreads, 1 << 16);
  return dispatch(dtype, [&](auto t) {
    using T = typename decltype(t)::type;
    CU_LAUNCH((general_kernel<T>), blocks, kThreads, 0, stream, p);
    return launch_status();
  });
}

}  // namespace gan
