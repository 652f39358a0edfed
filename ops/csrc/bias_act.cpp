// bias_act on the CPU, and the binding of both devices.
#include "bias_act.h"

#include "common.h"
#include "runs.h"

namespace gan {
namespace {

#if !defined(GAN_CUDA)
// The inputs of a run, in the order of Pointers below.
enum Input : size_t { X, Dy, Ref };

// A run of one channel, or (inner = 1) of channels side by side, where the bias differs per element.
template <int A, int Order, typename C, typename Bias>
void compute(const BiasAct<A, C>& f, const Pointers<C, 3>& in, Bias bias, C* y, int64_t count) {
  const C *x = in[X], *dy = in[Dy], *ref = in[Ref];
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    if (Order == Value) y[i] = f.value(x[i] + bias(i));
    if (Order == Slope) y[i] = f.dx(dy[i], ref[i] + bias(i));
    if (Order == Bend) y[i] = f.dref(dy[i], ref[i] + bias(i), x[i]);
  }
}

template <typename T, int A, int Order>
void loop(const BiasActParams& p) {
  using C = Compute<T>;
  const BiasAct<A, C> f(p.alpha, p.gain, p.clamp);
  const bool side_by_side = p.inner == 1, shifted = p.b != nullptr && (Order == Value || A == Swish);
  const int64_t count = side_by_side ? p.channels : p.inner, rows = side_by_side ? p.outer : p.outer * p.channels;
  const std::vector<C> b = shifted ? widened<T>(p.b, p.channels) : std::vector<C>(p.channels, C(0));
  auto at = [](const void* base, int64_t offset) {
    return base == nullptr ? nullptr : static_cast<const T*>(base) + offset;
  };
  parallel(rows, count, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t o = r * count;
      const Pointers<T, 3> in = {at(p.x, o), at(p.dy, o), at(p.ref, o)};
      in_runs(in, static_cast<T*>(p.y) + o, count, [&](const Pointers<C, 3>& piece, C* y, int64_t start, int64_t n) {
        if (side_by_side) {
          const C* shift = b.data() + start;
          compute<A, Order>(f, piece, [shift](int64_t i) { return shift[i]; }, y, n);
        } else {
          const C shift = b[r % p.channels];
          compute<A, Order>(f, piece, [shift](int64_t) { return shift; }, y, n);
        }
      });
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

// Shape of dense x as [outer, channels, inner], and the bias, of x's dtype, which is made contiguous.
BiasActParams shape(const Tensor& x, std::optional<Tensor>& b, int64_t dim, int64_t act, double alpha, double gain,
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
  make_contiguous(b);
  if (b.has_value()) {
    STD_TORCH_CHECK(b->dim() == 1 && b->size(0) == p.channels, "b must be [", p.channels, "]");
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
