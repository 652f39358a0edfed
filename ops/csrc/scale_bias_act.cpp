// scale_bias_act on the CPU, and the binding of both devices.
#include "scale_bias_act.h"

#include <algorithm>
#include <tuple>

#include "common.h"

namespace gan {
namespace {

#if !defined(GAN_CUDA)
// One sample's pixels [begin, end): the unit of work. Blocks depend on the shape only, so that sums do not change
// with the number of threads.
template <typename T, int A>
struct Block {
  using C = Compute<T>;
  const ScaleBiasActParams& p;
  ScaleBiasAct<A, C> f{{p.alpha, p.gain, p.clamp}};
  int64_t n, begin, end;
  C *dscale, *db;  // [channels], this block's sums

  const T* scale() const { return static_cast<const T*>(p.scale) + n * p.channels; }
  const T* b() const { return static_cast<const T*>(p.b); }
  const T* noise() const {
    return p.noise == nullptr ? nullptr : static_cast<const T*>(p.noise) + n * p.noise_stride;
  }
  C* dnoise() const { return p.dnoise == nullptr ? nullptr : static_cast<C*>(p.dnoise) + n * p.pixels; }

  void forward() const {
    const T *s = scale(), *bias = b(), *nz = noise();
    if (p.channels_last) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t o = (n * p.pixels + i) * p.channels;
        const T* x = static_cast<const T*>(p.x) + o;
        T* y = static_cast<T*>(p.y) + o;
        const C add = nz == nullptr ? C(0) : C(nz[i]);
#pragma omp simd
        for (int64_t c = 0; c < p.channels; ++c) y[c] = T(f.value(C(x[c]), C(s[c]), add, C(bias[c])));
      }
      return;
    }
    for (int64_t c = 0; c < p.channels; ++c) {
      const int64_t o = (n * p.channels + c) * p.pixels;
      const T* x = static_cast<const T*>(p.x) + o;
      T* y = static_cast<T*>(p.y) + o;
      const C factor = C(s[c]), shift = C(bias[c]);
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        y[i] = T(f.value(C(x[i]), factor, nz == nullptr ? C(0) : C(nz[i]), shift));
      }
    }
  }

  void backward_channels_last() const {
    const T *s = scale(), *bias = b(), *nz = noise();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t o = (n * p.pixels + i) * p.channels;
      const T *x = static_cast<const T*>(p.x) + o, *dy = static_cast<const T*>(p.dy) + o;
      T* dx = static_cast<T*>(p.y) + o;
      const C add = nz == nullptr ? C(0) : C(nz[i]);
      C sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < p.channels; ++c) {
        const C g = f.g(C(dy[c]), C(x[c]), C(s[c]), add, C(bias[c]));
        dx[c] = T(g * C(s[c]));
        dscale[c] += g * C(x[c]);
        db[c] += g;
        sum += g;
      }
      if (dnoise() != nullptr) dnoise()[i] = sum;
    }
  }

  void backward_contiguous() const {
    const T *s = scale(), *bias = b(), *nz = noise();
    C* dn = dnoise();
    if (dn != nullptr) std::fill(dn + begin, dn + end, C(0));
    for (int64_t c = 0; c < p.channels; ++c) {
      const int64_t o = (n * p.channels + c) * p.pixels;
      const T *x = static_cast<const T*>(p.x) + o, *dy = static_cast<const T*>(p.dy) + o;
      T* dx = static_cast<T*>(p.y) + o;
      const C factor = C(s[c]), shift = C(bias[c]);
      C sum_scale = 0, sum = 0;
#pragma omp simd reduction(+ : sum_scale, sum)
      for (int64_t i = begin; i < end; ++i) {
        const C g = f.g(C(dy[i]), C(x[i]), factor, nz == nullptr ? C(0) : C(nz[i]), shift);
        dx[i] = T(g * factor);
        sum_scale += g * C(x[i]);
        sum += g;
        if (dn != nullptr) dn[i] += g;
      }
      dscale[c] += sum_scale, db[c] += sum;
    }
  }
};

template <typename T, int A>
void loop(const ScaleBiasActParams& p) {
  using C = Compute<T>;
  constexpr int64_t kBlock = 32768;  // elements
  const int64_t step = std::max<int64_t>(1, kBlock / p.channels);  // pixels
  const int64_t blocks = (p.pixels + step - 1) / step;
  std::vector<C> sums(p.dy == nullptr ? 0 : p.n * blocks * 2 * p.channels);
  parallel(p.n * blocks, std::min(step, p.pixels) * p.channels, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t n = task / blocks, begin = task % blocks * step, end = std::min(p.pixels, begin + step);
      C* own = sums.data() + task * 2 * p.channels;
      const Block<T, A> block{p, {{p.alpha, p.gain, p.clamp}}, n, begin, end, own, own + p.channels};
      if (p.dy == nullptr) {
        block.forward();
      } else if (p.channels_last) {
        block.backward_channels_last();
      } else {
        block.backward_contiguous();
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
  STD_TORCH_CHECK(other.is_contiguous() && other.numel() == numel, name, " must be contiguous with ", numel, " values");
  STD_TORCH_CHECK(dtype_of(other) == dtype_of(x), name, " must have the dtype of x");
  check_same_device(x, other, name);
}

ScaleBiasActParams params(const Tensor& x, const Tensor& scale, const std::optional<Tensor>& noise, const Tensor& b,
                          int64_t act, double alpha, double gain, double clamp) {
  STD_TORCH_CHECK(x.dim() == 4, "x must be [N, C, H, W]");
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
#if defined(GAN_CUDA)  // its kernel sums along planes
  x = torch::stable::contiguous(x);
#else
  x = dense(x);
#endif
  dy = dense_like(dy, x);
  ScaleBiasActParams p = params(x, scale, noise, b, act, alpha, gain, clamp);
  const auto sums = x.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
  const std::vector<int64_t> per_channel = {p.n, p.channels}, per_pixel = {noise.has_value() ? p.n : 0, p.pixels};
  Tensor dx = torch::stable::empty_like(x);
  Tensor dscale = torch::stable::new_zeros(x, per_channel, sums), db = torch::stable::new_zeros(x, per_channel, sums);
  Tensor dnoise = torch::stable::new_zeros(x, per_pixel, sums);
  p.dy = dy.data_ptr(), p.y = dx.data_ptr(), p.dscale = dscale.data_ptr(), p.db = db.data_ptr();
  p.dnoise = noise.has_value() ? dnoise.data_ptr() : nullptr;
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
