// upfirdn2d: the binding of both devices.
#include "upfirdn2d.h"

#include <cmath>

#include "common.h"
#if !defined(GAN_CUDA)
#include "upfirdn2d_cpu.h"
#endif

namespace gan {
namespace {

FirAxis axis(int64_t in, int64_t up, int64_t down, int64_t before, int64_t after, int64_t taps) {
  STD_TORCH_CHECK(up >= 1 && down >= 1, "resampling factors are >= 1");
  const int64_t padded = in * up + before + after;
  STD_TORCH_CHECK(padded >= taps, "padded size ", padded, " is smaller than the filter, ", taps);
  return {in, (padded - taps) / down + 1, before, int(up), int(down), int(taps)};
}

void launch(const Tensor& x, const Upfirdn2dParams& p) {
#if defined(GAN_CUDA)
  on_stream(x, "upfirdn2d", [&](void* stream) { return upfirdn2d_cuda(dtype_of(x), p, stream); });
#else
  dispatch(dtype_of(x), [&](auto zero) { upfirdn2d_cpu<decltype(zero)>(p); });
#endif
}

Tensor upfirdn2d(Tensor x, Tensor f, int64_t up_x, int64_t up_y, int64_t down_x, int64_t down_y, int64_t left,
                 int64_t right, int64_t top, int64_t bottom, bool flip, double gain) {
  STD_TORCH_CHECK(x.dim() == 4, "x must be [N, C, H, W]");
  STD_TORCH_CHECK(f.dim() == 1 || f.dim() == 2, "f must be [taps] or [fh, fw]");
  STD_TORCH_CHECK(f.scalar_type() == ScalarType::Float && f.numel() > 0, "f must be float32 and not empty");
  check_same_device(x, f, "f");
  x = dense(x), f = torch::stable::contiguous(f);
  const Layout layout = layout_of(x);
  const int64_t n = x.size(0), c = x.size(1);
  Upfirdn2dParams p{};
  p.batch = layout == Layout::ChannelsLast ? n : n * c;
  p.inner = layout == Layout::ChannelsLast ? c : 1;
  p.horizontal = axis(x.size(3), up_x, down_x, left, right, f.size(f.dim() - 1));
  p.vertical = axis(x.size(2), up_y, down_y, top, bottom, f.size(0));
  p.separable = f.dim() == 1, p.flip = flip;
  p.gain = float(p.separable ? std::sqrt(gain) : gain);
  Tensor y = empty4(x, n, c, p.vertical.out, p.horizontal.out, layout);
  p.x = x.data_ptr(), p.f = static_cast<const float*>(f.data_ptr()), p.y = y.data_ptr();
  if (y.numel() > 0) launch(x, p);
  return y;
}

}  // namespace

GAN_SCHEMAS(m) {
  m.def(
      "upfirdn2d(Tensor x, Tensor f, int up_x, int up_y, int down_x, int down_y, int left, int right, int top, "
      "int bottom, bool flip, float gain) -> Tensor");
}

GAN_KERNELS(m) { m.impl("upfirdn2d", TORCH_BOX(&upfirdn2d)); }

}  // namespace gan
