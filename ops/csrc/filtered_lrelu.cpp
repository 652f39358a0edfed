// filtered_lrelu: the binding of both devices.
#include "filtered_lrelu.h"

#include <cmath>
#include <numeric>
#include <tuple>

#include "common.h"
#if !defined(GAN_CUDA)
#include "filtered_lrelu_cpu.h"
#endif

namespace gan {
namespace {

using Pair = std::vector<int64_t>;  // along x, along y

void launch(const Tensor& x, FilteredLreluParams& p) {
  if (p.planes == 0) return;
#if defined(GAN_CUDA)
  Tensor middle = x;
  if (!filtered_lrelu_fits(dtype_of(x), p)) {
    const auto dtype = x.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
    const Pair size = {p.planes, p.mid_h, p.mid_w};
    middle = torch::stable::empty(size, dtype, std::nullopt, x.device(), std::nullopt, std::nullopt);
    p.middle = middle.data_ptr();
  }
  on_stream(x, "filtered_lrelu", [&](void* stream) { return filtered_lrelu_cuda(dtype_of(x), p, stream); });
#else
  dispatch(dtype_of(x), [&](auto zero) { filtered_lrelu_cpu<decltype(zero)>(p); });
#endif
}

// `f` is kept alive, and contiguous, by the caller.
Taps taps(const Tensor& x, std::optional<Tensor>& f, double gain, bool flip) {
  if (!f.has_value()) return {nullptr, 1, 1, true, flip, float(std::sqrt(gain))};
  STD_TORCH_CHECK(f->dim() == 1 || f->dim() == 2, "a filter has one or two dimensions");
  STD_TORCH_CHECK(f->scalar_type() == ScalarType::Float, "a filter must be float32");
  check_same_device(x, *f, "a filter");
  f = torch::stable::contiguous(*f);
  const bool separable = f->dim() == 1;
  const int h = int(f->size(0)), w = int(f->size(f->dim() - 1));
  return {static_cast<const float*>(f->data_ptr()), w, h, separable, flip, float(separable ? std::sqrt(gain) : gain)};
}

// x [N, C, H, W] contiguous.
FilteredLreluParams shape(const Tensor& x, const Taps& u, const Taps& d, int64_t up, int64_t down) {
  STD_TORCH_CHECK(x.dim() == 4, "x must be [N, C, H, W]");
  STD_TORCH_CHECK(up >= 1 && down >= 1, "up and down must be >= 1");
  FilteredLreluParams p{};
  p.x = x.data_ptr();
  p.planes = x.size(0) * x.size(1), p.channels = x.size(1);
  p.in_h = x.size(2), p.in_w = x.size(3);
  p.up = int(up), p.down = int(down);
  p.u = u, p.d = d;
  p.clamp = HUGE_VAL;
  return p;
}

// Runs p, whose sizes are set; the result is in the memory layout of `like`.
Tensor run(const Tensor& like, const Tensor& x, FilteredLreluParams& p) {
  STD_TORCH_CHECK(p.mid_h > 0 && p.mid_w > 0 && p.out_h > 0 && p.out_w > 0, "the padded input is too small");
  Tensor y = empty4(x, x.size(0), x.size(1), p.out_h, p.out_w, Layout::Contiguous);
  p.y = y.data_ptr();
  launch(x, p);
  if (layout_of(like) != Layout::ChannelsLast) return y;
  Tensor z = empty4(x, x.size(0), x.size(1), p.out_h, p.out_w, Layout::ChannelsLast);
  torch::stable::copy_(z, y);
  return z;
}

std::tuple<Tensor, Tensor> filtered_lrelu(Tensor x, std::optional<Tensor> b, std::optional<Tensor> fu,
                                          std::optional<Tensor> fd, int64_t up, int64_t down, Pair padding,
                                          double gain, double slope, double clamp, bool flip, bool keep_mask) {
  const Tensor given = x;
  x = torch::stable::contiguous(x);
  const Taps u = taps(x, fu, double(up * up), flip), d = taps(x, fd, 1, flip);
  FilteredLreluParams p = shape(x, u, d, up, down);
  STD_TORCH_CHECK(padding.size() == 4, "padding must be [left, right, top, bottom]");
  p.before_x = padding[0], p.before_y = padding[2];
  p.mid_w = p.in_w * up + padding[0] + padding[1] - u.w + 1;
  p.mid_h = p.in_h * up + padding[2] + padding[3] - u.h + 1;
  p.out_w = floor_div(p.mid_w - d.w, down) + 1, p.out_h = floor_div(p.mid_h - d.h, down) + 1;
  p.gain = gain, p.slope = slope, p.clamp = clamp < 0 ? HUGE_VAL : clamp;
  if (b.has_value()) {
    STD_TORCH_CHECK(b->dim() == 1 && b->size(0) == p.channels && dtype_of(*b) == dtype_of(x),
                    "b must be [channels of x], of its dtype");
    check_same_device(x, *b, "b");
    b = torch::stable::contiguous(*b);
    p.b = b->data_ptr();
  }
  Pair size = {0};
  if (keep_mask) {
    p.mode = BendMode::ValueAndMask;
    p.mask_w = mask_width(p.mid_w, std::lcm(up, down));
    size = {x.size(0), x.size(1), p.mid_h, p.mask_w};
  }
  Tensor mask = torch::stable::new_zeros(x, size, ScalarType::Byte);
  if (keep_mask) p.mask = static_cast<uint8_t*>(mask.data_ptr());
  return {run(given, x, p), mask};
}

Tensor filtered_lrelu_masked(Tensor x, Tensor mask, std::optional<Tensor> fu, std::optional<Tensor> fd, int64_t up,
                             int64_t down, Pair before, Pair skip, Pair middle, Pair size, double gain_up,
                             double gain_down, double gain, double slope, bool flip) {
  const Tensor given = x;
  x = torch::stable::contiguous(x);
  const Taps u = taps(x, fu, gain_up, flip), d = taps(x, fd, gain_down, flip);
  FilteredLreluParams p = shape(x, u, d, up, down);
  STD_TORCH_CHECK(before.size() == 2 && skip.size() == 2 && middle.size() == 2 && size.size() == 2,
                  "before, skip, middle and size are pairs");
  p.before_x = before[0], p.before_y = before[1];
  p.skip_x = skip[0], p.skip_y = skip[1];
  p.mid_w = middle[0], p.mid_h = middle[1];
  p.out_w = size[0], p.out_h = size[1];
  p.gain = gain, p.slope = slope;
  p.mode = BendMode::Masked;
  p.mask_w = mask_width(p.mid_w, std::lcm(up, down));
  check_same_device(x, mask, "the mask");
  mask = torch::stable::contiguous(mask);
  STD_TORCH_CHECK(mask.dim() == 4 && mask.scalar_type() == ScalarType::Byte &&
                      mask.numel() == p.planes * p.mid_h * p.mask_w,
                  "the mask was not kept, or belongs to another size");
  p.mask = static_cast<uint8_t*>(mask.data_ptr());
  return run(given, x, p);
}

}  // namespace

GAN_SCHEMAS(m) {
  m.def(
      "filtered_lrelu(Tensor x, Tensor? b, Tensor? fu, Tensor? fd, int up, int down, int[] padding, float gain, "
      "float slope, float clamp, bool flip, bool keep_mask) -> (Tensor, Tensor)");
  m.def(
      "filtered_lrelu_masked(Tensor x, Tensor mask, Tensor? fu, Tensor? fd, int up, int down, int[] before, "
      "int[] skip, int[] middle, int[] size, float gain_up, float gain_down, float gain, float slope, bool flip) "
      "-> Tensor");
}

GAN_KERNELS(m) {
  m.impl("filtered_lrelu", TORCH_BOX(&filtered_lrelu));
  m.impl("filtered_lrelu_masked", TORCH_BOX(&filtered_lrelu_masked));
}

}  // namespace gan
