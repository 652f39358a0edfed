// bias_act on the CPU, and the binding of both devices.
#include "bias_act.h"

#include <algorithm>

#include "common.h"

namespace gan {
namespace {

#if !defined(GAN_CUDA)
// Channels of a row sit side by side (inner = 1): b differs per element. Otherwise a row is one channel's run.
template <typename T, int A, int Order>
void row(const BiasAct<A, Compute<T>>& f, const T* x, const T* dy, const T* ref, const T* b, int64_t b_step, T* y,
         int64_t count) {
  using C = Compute<T>;
  const bool shifted = b != nullptr && (Order == Value || A == Swish);
  auto run = [&](auto bias) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      if (Order == Value) y[i] = T(f.value(C(x[i]) + bias(i)));
      if (Order == Slope) y[i] = T(f.dx(C(dy[i]), C(ref[i]) + bias(i)));
      if (Order == Bend) y[i] = T(f.dref(C(dy[i]), C(ref[i]) + bias(i), C(x[i])));
    }
  };
  if (!shifted) return run([](int64_t) { return C(0); });
  if (b_step == 0) {
    const C shift = C(b[0]);
    return run([shift](int64_t) { return shift; });
  }
  run([b](int64_t i) { return C(b[i]); });
}

template <typename T, int A, int Order>
void loop(const BiasActParams& p) {
  const BiasAct<A, Compute<T>> f(p.alpha, p.gain, p.clamp);
  const bool side_by_side = p.inner == 1;
  const int64_t count = side_by_side ? p.channels : p.inner;
  const int64_t rows = side_by_side ? p.outer : p.outer * p.channels;
  auto at = [](const void* base, int64_t offset) {
    return base == nullptr ? nullptr : static_cast<const T*>(base) + offset;
  };
  parallel(rows, count, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* b = at(p.b, side_by_side ? 0 : r % p.channels);
      const int64_t o = r * count;
      row<T, A, Order>(f, at(p.x, o), at(p.dy, o), at(p.ref, o), b, side_by_side, static_cast<T*>(p.y) + o, count);
    }
  });
}

template <typename T, int A>
void by_order(const BiasActParams& p) {
  if (p.order == Value) return loop<T, A, Value>(p);
  if (p.order == Slope) return loop<T, A, Slope>(p);
  loop<T, A, Bend>(p);
}

template <typename T, int A = 0>
void by_act(const BiasActParams& p) {
  if constexpr (A < kActs) {
    if (p.act == A) return by_order<T, A>(p);
    by_act<T, A + 1>(p);
  }
}
#endif

void launch(const Tensor& like, const BiasActParams& p) {
  if (p.outer * p.channels * p.inner == 0) return;
#if defined(GAN_CUDA)
  on_stream(like, "bias_act", [&](void* stream) { return bias_act_cuda(dtype_of(like), p, stream); });
#else
  dispatch(dtype_of(like), [&](auto zero) { by_act<decltype(zero)>(p); });
#endif
}

const void* pointer(const Tensor& t) { return t.data_ptr(); }

// Shape of dense x as [outer, channels, inner], and the bias, contiguous and of x's dtype.
BiasActParams shape(const Tensor& x, const std::optional<Tensor>& b, int64_t dim, int64_t act, double alpha, double gain,
                    double clamp, int order) {
  BiasActParams p{};
  p.outer = p.inner = 1;
  p.channels = x.size(dim);
  if (layout_of(x) == Layout::ChannelsLast) {
    p.outer = x.size(0) * x.size(2) * x.size(3);
  } else {
    for (int64_t i = 0; i < dim; ++i) p.outer *= x.size(i);
    for (int64_t i = dim + 1; i < x.dim(); ++i) p.inner *= x.size(i);
  }
  if (b.has_value()) {
    STD_TORCH_CHECK(b->dim() == 1 && b->size(0) == p.channels && b->is_contiguous(), "b must be [", p.channels, "]");
    STD_TORCH_CHECK(dtype_of(*b) == dtype_of(x), "b must have the dtype of x");
    check_same_device(x, *b, "b");
    p.b = pointer(*b);
  }
  p.act = int(act), p.order = order, p.alpha = alpha, p.gain = gain, p.clamp = clamp;
  return p;
}

// x as bias_act reads it: dense, and contiguous where the bias does not run along the channels.
Tensor readable(const Tensor& x, int64_t dim) {
  STD_TORCH_CHECK(dim >= 0 && dim < x.dim(), "dim must be an axis of x");
  return dim == 1 ? dense(x) : torch::stable::contiguous(x);
}

Tensor bias_act(Tensor x, std::optional<Tensor> b, int64_t dim, int64_t act, double alpha, double gain, double clamp) {
  x = readable(x, dim);
  Tensor y = torch::stable::empty_like(x);
  BiasActParams p = shape(x, b, dim, act, alpha, gain, clamp, Value);
  p.x = pointer(x), p.y = y.data_ptr();
  launch(x, p);
  return y;
}

Tensor bias_act_dx(Tensor dy, Tensor ref, std::optional<Tensor> b, int64_t dim, int64_t act, double alpha, double gain,
                   double clamp) {
  ref = readable(ref, dim);
  dy = dense_like(dy, ref);
  Tensor dx = torch::stable::empty_like(ref);
  BiasActParams p = shape(ref, b, dim, act, alpha, gain, clamp, Slope);
  p.dy = pointer(dy), p.ref = pointer(ref), p.y = dx.data_ptr();
  launch(ref, p);
  return dx;
}

Tensor bias_act_dref(Tensor tangent, Tensor dy, Tensor ref, std::optional<Tensor> b, int64_t dim, int64_t act,
                     double alpha, double gain, double clamp) {
  ref = readable(ref, dim);
  dy = dense_like(dy, ref), tangent = dense_like(tangent, ref);
  Tensor dref = torch::stable::empty_like(ref);
  BiasActParams p = shape(ref, b, dim, act, alpha, gain, clamp, Bend);
  p.x = pointer(tangent), p.dy = pointer(dy), p.ref = pointer(ref), p.y = dref.data_ptr();
  launch(ref, p);
  return dref;
}

}  // namespace

GAN_SCHEMAS(m) {
  m.def("bias_act(Tensor x, Tensor? b, int dim, int act, float alpha, float gain, float clamp) -> Tensor");
  m.def(
      "bias_act_dx(Tensor dy, Tensor ref, Tensor? b, int dim, int act, float alpha, float gain, float clamp) -> Tensor");
  m.def(
      "bias_act_dref(Tensor tangent, Tensor dy, Tensor ref, Tensor? b, int dim, int act, float alpha, float gain, "
      "float clamp) -> Tensor");
}

GAN_KERNELS(m) {
  m.impl("bias_act", TORCH_BOX(&bias_act));
  m.impl("bias_act_dx", TORCH_BOX(&bias_act_dx));
  m.impl("bias_act_dref", TORCH_BOX(&bias_act_dref));
}

}  // namespace gan
