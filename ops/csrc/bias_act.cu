// bias_act on CUDA: one pass over memory, 16 bytes an access where shape and alignment allow.
#include "bias_act.h"
#include "cuda_common.h"

namespace gan {
namespace {

constexpr int kThreads = 256;

// Channel of element i; 32-bit division wherever the tensor is small enough for it.
__device__ __forceinline__ int64_t channel(const BiasActParams& p, int64_t i, bool small) {
  if (small) return static_cast<unsigned>(i) / static_cast<unsigned>(p.inner) % static_cast<unsigned>(p.channels);
  return i / p.inner % p.channels;
}

// Elements i to i + V - 1, which share a channel or (inner = 1) lie in V consecutive ones.
template <typename T, int V, int Order, int A>
__device__ __forceinline__ void piece(const BiasActParams& p, const BiasAct<A, Compute<T>>& f, int64_t i, bool small) {
  using C = Compute<T>;
  const bool shifted = p.b != nullptr && (Order == Value || A == Swish);
  const int64_t c = shifted ? channel(p, i, small) : 0;
  const T* b = static_cast<const T*>(p.b) + c;
  Vec<T, V> x, dy, ref, y;
  if (Order != Slope) x = load_vec<V>(static_cast<const T*>(p.x), i);
  if (Order != Value) dy = load_vec<V>(static_cast<const T*>(p.dy), i);
  if (Order != Value) ref = load_vec<V>(static_cast<const T*>(p.ref), i);
#pragma unroll
  for (int k = 0; k < V; ++k) {
    const C shift = shifted ? load(b[p.inner == 1 ? k : 0]) : C(0);
    if (Order == Value) y[k] = store<T>(f.value(load(x[k]) + shift));
    if (Order == Slope) y[k] = store<T>(f.dx(load(dy[k]), load(ref[k]) + shift));
    if (Order == Bend) y[k] = store<T>(f.dref(load(dy[k]), load(ref[k]) + shift, load(x[k])));
  }
  store_vec<V>(static_cast<T*>(p.y), i, y);
}

template <typename T, int V, int Order, int A>
__device__ __forceinline__ void stride(const BiasActParams& p) {
  const BiasAct<A, Compute<T>> f(p.alpha, p.gain, p.clamp);
  const int64_t count = p.outer * p.channels * p.inner;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads * V;
  const bool small = count < 0x7fffffff;
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * V; i < count; i += step) {
    piece<T, V, Order, A>(p, f, i, small);
  }
}

// The activation is the same for all threads, so the switch costs nothing beside the memory.
template <typename T, int V, int Order>
__global__ void __launch_bounds__(kThreads) bias_act_kernel(BiasActParams p) {
  switch (p.act) {
    case Linear: return stride<T, V, Order, Linear>(p);
    case Relu: return stride<T, V, Order, Relu>(p);
    case Lrelu: return stride<T, V, Order, Lrelu>(p);
    case Tanh: return stride<T, V, Order, Tanh>(p);
    case Sigmoid: return stride<T, V, Order, Sigmoid>(p);
    case Elu: return stride<T, V, Order, Elu>(p);
    case Selu: return stride<T, V, Order, Selu>(p);
    case Softplus: return stride<T, V, Order, Softplus>(p);
    case Swish: return stride<T, V, Order, Swish>(p);
  }
}

template <typename T, int V>
int launch(const BiasActParams& p, void* stream) {
  const int64_t count = p.outer * p.channels * p.inner;
  const unsigned blocks = grid_size(count, static_cast<int64_t>(kThreads) * V, 1 << 16);
  if (p.order == Value) CU_LAUNCH((bias_act_kernel<T, V, Value>), blocks, kThreads, 0, stream, p);
  if (p.order == Slope) CU_LAUNCH((bias_act_kernel<T, V, Slope>), blocks, kThreads, 0, stream, p);
  if (p.order == Bend) CU_LAUNCH((bias_act_kernel<T, V, Bend>), blocks, kThreads, 0, stream, p);
  return launch_status();
}

}  // namespace

int bias_act_cuda(Dtype dtype, const BiasActParams& given, void* stream) {
  BiasActParams p = given;
  if (p.b == nullptr) {  // one channel: every vector lies in it
    p.inner *= p.outer * p.channels;
    p.outer = p.channels = 1;
  }
  const bool placed = aligned(p.x) && aligned(p.dy) && aligned(p.ref) && aligned(p.y);
  return dispatch(dtype, [&](auto t) {
    using T = typename decltype(t)::type;
    constexpr int V = sizeof(T) == 8 ? 1 : VECTOR<T>;  // two doubles at a time would spill registers
    const bool whole = p.inner == 1 ? p.channels % V == 0 : p.inner % V == 0;
    return placed && whole ? launch<T, V>(p, stream) : launch<T, 1>(p, stream);
  });
}

}  // namespace gan
