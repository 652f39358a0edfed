// scale_bias_act on the CPU, and the binding of both devices.
#include "scale_bias_act.h"

#include <algorithm>
#include <tuple>

#include "common.h"
#include "runs.h"

namespace gan {
namespace {

#if !defined(GAN_CUDA)
// Sums over a run of channels_last: per channel into dscale and db, over the run as the result. f comes by value:
// behind a reference it might be what the loop writes, which keeps compilers from vectorising.
template <int A, typename C>
C backward_channels(const ScaleBiasAct<A, C> f, const Pointers<C, 2>& in, C* dx, const C* scale, C noise, const C* b,
                    C* dscale, C* db, int64_t count) {
  const C *x = in[0], *dy = in[1];
  C total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t c = 0; c < count; ++c) {
    const C g = f.g(dy[c], x[c], scale[c], noise, b[c]);
    dx[c] = g * scale[c];
    dscale[c] += g * x[c];
    db[c] += g;
    total += g;
  }
  return total;
}

// Sums over a run of one channel's pixels: per pixel into dnoise (may be null), over the run into dscale and db.
template <int A, typename C>
void backward_pixels(const ScaleBiasAct<A, C> f, const Pointers<C, 2>& in, C* dx, C scale, const C* noise, C b,
                     C& dscale, C& db, C* dnoise, int64_t count) {
  const C *x = in[0], *dy = in[1];
  C total = 0, total_scale = 0;
#pragma omp simd reduction(+ : total, total_scale)
  for (int64_t i = 0; i < count; ++i) {
    const C g = f.g(dy[i], x[i], scale, noise == nullptr ? C(0) : noise[i], b);
    dx[i] = g * scale;
    total_scale += g * x[i];
    total += g;
    if (dnoise != nullptr) dnoise[i] += g;
  }
  dscale += total_scale, db += total;
}

// One sample's pixels [begin, end): the unit of work. Blocks depend on the shape only, so that sums do not change
// with the number of threads.
template <typename T, int A>
struct Block {
  using C = Compute<T>;
  const ScaleBiasActParams& p;
  ScaleBiasAct<A, C> f;
  const C* b;              // [channels]
  std::vector<C> scale;    // [channels]
  std::vector<C> noise;    // [end - begin], empty for none
  int64_t n, begin, end;
  C *dscale, *db, *dnoise;  // [channels], [channels], [pixels] of this sample; null in the forward pass

  Block(const ScaleBiasActParams& p, const C* b, int64_t n, int64_t begin, int64_t end, C* sums)
      : p(p), f{{p.alpha, p.gain, p.clamp}}, b(b), n(n), begin(begin), end(end), dscale(sums), db(sums + p.channels),
        dnoise(p.dnoise == nullptr ? nullptr : static_cast<C*>(p.dnoise) + n * p.pixels) {
    scale = widened<T>(static_cast<const T*>(p.scale) + n * p.channels, p.channels);
    if (p.noise == nullptr) return;
    noise = widened<T>(static_cast<const T*>(p.noise) + n * p.noise_stride + begin, end - begin);
  }

  const C* noise_from(int64_t i) const { return noise.empty() ? nullptr : noise.data() + i; }

  // run(inputs, y, start, count) on every run of memory at `offset`: of channels, or of pixels.
  template <typename F>
  void pieces(int64_t offset, int64_t count, const F& run) const {
    const T* dy = p.dy == nullptr ? nullptr : static_cast<const T*>(p.dy) + offset;
    in_runs(Pointers<T, 2>{static_cast<const T*>(p.x) + offset, dy}, static_cast<T*>(p.y) + offset, count, run);
  }

  void channels_last() const {
    for (int64_t i = begin; i < end; ++i) {
      const C add = noise.empty() ? C(0) : noise[i - begin];
      C total = 0;
      pieces((n * p.pixels + i) * p.channels, p.channels, [&](const Pointers<C, 2>& in, C* y, int64_t at, int64_t count) {
        const C *s = scale.data() + at, *shift = b + at;
        if (p.dy != nullptr) {
          total += backward_channels(f, in, y, s, add, shift, dscale + at, db + at, count);
          return;
        }
        const C* x = in[0];
#pragma omp simd
        for (int64_t c = 0; c < count; ++c) y[c] = f.value(x[c], s[c], add, shift[c]);
      });
      if (dnoise != nullptr) dnoise[i] = total;
    }
  }

  void contiguous() const {
    if (dnoise != nullptr) std::fill(dnoise + begin, dnoise + end, C(0));
    for (int64_t c = 0; c < p.channels; ++c) {
      const C s = scale[c], shift = b[c];
      pieces((n * p.channels + c) * p.pixels + begin, end - begin,
             [&](const Pointers<C, 2>& in, C* y, int64_t at, int64_t count) {
               const C *x = in[0], *add = noise_from(at);
               if (p.dy != nullptr) {
                 C* dn = dnoise == nullptr ? nullptr : dnoise + begin + at;
                 return backward_pixels(f, in, y, s, add, shift, dscale[c], db[c], dn, count);
               }
#pragma omp simd
               for (int64_t i = 0; i < count; ++i) y[i] = f.value(x[i], s, add == nullptr ? C(0) : add[i], shift);
             });
    }
  }
};

template <typename T, int A>
void loop(const ScaleBiasActParams& p) {
  using C = Compute<T>;
  constexpr int64_t kBlock = 32768;  // elements
  const int64_t step = std::max<int64_t>(1, kBlock / p.channels);  // pixels
  const int64_t blocks = (p.pixels + step - 1) / step;
  std::vector<C> sums(p.n * blocks * 2 * p.channels);
  const std::vector<C> b = widened<T>(p.b, p.channels);
  parallel(p.n * blocks, std::min(step, p.pixels) * p.channels, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t n = task / blocks, begin = task % blocks * step, end = std::min(p.pixels, begin + step);
      const Block<T, A> block(p, b.data(), n, begin, end, sums.data() + task * 2 * p.channels);
      if (p.channels_last) {
        block.channels_last();
      } else {
        block.contiguous();
      }
    }
  });
  if (p.dy == nullptr) return;
  for (int64_t n = 0; n < p.n; ++n) {
    C *dscale = static_cast<C*>(p.dscale) + n * p.channels, *db = static_cast<C*>(p.db) + n * p.channels;
    for (int64_t c = 0; c < p.channels; ++c) {
      double sum_scale = 0, sum = 0;
      for (int64_t k = 0; k < blocks; ++k) {
        const C* own = sums.data() + (n * blocks + k) * 2 * p.channels;
        sum_scale += double(own[c]), sum += double(own[p.channels + c]);
      }
      dscale[c] = C(sum_scale), db[c] = C(sum);
    }
  }
}

template <typename T, int A = 0>
void by_act(const ScaleBiasActParams& p) {
  if constexpr (A < kActs) {
    if (p.act == A) return loop<T, A>(p);
    by_act<T, A + 1>(p);
  }
}
#endif

void launch(const Tensor& like, const ScaleBiasActParams& p) {
  if (p.n * p.channels * p.pixels == 0) return;
#if defined(GAN_CUDA)
  on_stream(like, "scale_bias_act", [&](void* stream) { return scale_bias_act_cuda(dtype_of(like), p, stream); });
#else
  dispatch(dtype_of(like), [&](auto zero) { by_act<decltype(zero)>(p); });
#endif
}

void check(const Tensor& x, const Tensor& other, int64_t numel, const char* name) {
  STD_TORCH_CHECK(other.numel() == numel, name, " must have ", numel, " values");
  STD_TORCH_CHECK(dtype_of(other) == dtype_of(x), name, " must have the dtype of x");
  check_same_device(x, other, name);
}

// x is dense; the others are made contiguous.
ScaleBiasActParams params(const Tensor& x, Tensor& scale, std::optional<Tensor>& noise, Tensor& b, int64_t act,
                          double alpha, double gain, double clamp) {
  STD_TORCH_CHECK(x.dim() == 4, "x must be [N, C, H, W]");
  make_contiguous(scale), make_contiguous(noise), make_contiguous(b);
  ScaleBiasActParams p{};
  p.n = x.size(0), p.channels = x.size(1), p.pixels = x.size(2) * x.size(3);
  check(x, scale, p.n * p.channels, "scale");
  check(x, b, p.channels, "b");
  if (noise.has_value()) {
    const bool shared = noise->numel() == p.pixels && p.n != 1;
    check(x, *noise, shared ? p.pixels : p.n * p.pixels, "noise");
    p.noise = noise->data_ptr(), p.noise_stride = shared ? 0 : p.pixels;
  }
  p.x = x.data_ptr(), p.scale = scale.data_ptr(), p.b = b.data_ptr();
  p.channels_last = layout_of(x) == Layout::ChannelsLast;
  p.act = int(act), p.alpha = alpha, p.gain = gain, p.clamp = clamp;
  return p;
}

Tensor scale_bias_act(Tensor x, Tensor scale, std::optional<Tensor> noise, Tensor b, int64_t act, double alpha,
                      double gain, double clamp) {
  x = dense(x);
  Tensor y = torch::stable::empty_like(x);
  ScaleBiasActParams p = params(x, scale, noise, b, act, alpha, gain, clamp);
  p.y = y.data_ptr();
  launch(x, p);
  return y;
}

// dx, and per sample the sums that give the other gradients: [n, c], [n, c], [n, pixels] (empty without noise).
std::tuple<Tensor, Tensor, Tensor, Tensor> scale_bias_act_dx(Tensor dy, Tensor x, Tensor scale,
                                                             std::optional<Tensor> noise, Tensor b, int64_t act,
                                                             double alpha, double gain, double clamp) {
  x = dense(x);
  dy = dense_like(dy, x);
  ScaleBiasActParams p = params(x, scale, noise, b, act, alpha, gain, clamp);
  const auto sums = x.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
  const std::vector<int64_t> per_channel = {p.n, p.channels}, per_pixel = {noise.has_value() ? p.n : 0, p.pixels};
  Tensor dx = torch::stable::empty_like(x);
  Tensor dscale = torch::stable::new_zeros(x, per_channel, sums), db = torch::stable::new_zeros(x, per_channel, sums);
  Tensor dnoise = torch::stable::new_zeros(x, per_pixel, sums);
  p.dy = dy.data_ptr(), p.y = dx.data_ptr(), p.dscale = dscale.data_ptr(), p.db = db.data_ptr();
  p.dnoise = noise.has_value() ? dnoise.data_ptr() : nullptr;
#if defined(GAN_CUDA)
  p.slabs = std::min<int64_t>(64, (p.pixels + 1023) / 1024);
  const std::vector<int64_t> slabs = {p.channels_last ? p.slabs : 0, 2, p.n, p.channels};
  Tensor scratch = torch::stable::new_empty(x, slabs, sums);
  p.slab_sums = scratch.data_ptr();
#endif
  launch(x, p);
  return {dx, dscale, db, dnoise};
}

}  // namespace

GAN_SCHEMAS(m) {
  m.def(
      "scale_bias_act(Tensor x, Tensor scale, Tensor? noise, Tensor b, int act, float alpha, float gain, float clamp) "
      "-> Tensor");
  m.def(
      "scale_bias_act_dx(Tensor dy, Tensor x, Tensor scale, Tensor? noise, Tensor b, int act, float alpha, float gain, "
      "float clamp) -> (Tensor, Tensor, Tensor, Tensor)");
}

GAN_KERNELS(m) {
  m.impl("scale_bias_act", TORCH_BOX(&scale_bias_act));
  m.impl("scale_bias_act_dx", TORCH_BOX(&scale_bias_act_dx));
}

}  // namespace gan
