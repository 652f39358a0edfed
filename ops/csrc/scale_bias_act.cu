// scale_bias_act on CUDA. Forward: one pass, 16 bytes an access where shape and alignment allow. Backward: one
// block per sample and channel writes dx and sums over the pixels; the noise's gradient sums over channels.
#include "cuda_common.h"
#include "scale_bias_act.h"

namespace gan {
namespace {

constexpr int kThreads = 256;

// Where element i of x belongs: its sample, channel and pixel.
struct Place {
  int64_t n, c, pixel;
  __device__ __forceinline__ Place(const ScaleBiasActParams& p, int64_t i) {
    const int64_t plane = p.channels * p.pixels, rest = i % plane, inner = p.channels_last ? p.channels : p.pixels;
    n = i / plane;
    c = p.channels_last ? rest % inner : rest / inner;
    pixel = p.channels_last ? rest / inner : rest % inner;
  }
};

template <typename T>
__device__ __forceinline__ Compute<T> noise_at(const ScaleBiasActParams& p, int64_t n, int64_t pixel) {
  if (p.noise == nullptr) return Compute<T>(0);
  return load(static_cast<const T*>(p.noise)[n * p.noise_stride + pixel]);
}

// V elements from i on lie in one plane (contiguous) or belong to one pixel (channels_last).
template <typename T, int V, int A>
__device__ __forceinline__ void forward_stride(const ScaleBiasActParams& p) {
  using C = Compute<T>;
  const ScaleBiasAct<A, C> f{{p.alpha, p.gain, p.clamp}};
  const int64_t count = p.n * p.channels * p.pixels, step = static_cast<int64_t>(gridDim.x) * kThreads * V;
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * V; i < count; i += step) {
    const Place at(p, i);
    const T *scale = static_cast<const T*>(p.scale) + at.n * p.channels + at.c, *b = static_cast<const T*>(p.b) + at.c;
    const Vec<T, V> x = load_vec<V>(static_cast<const T*>(p.x), i);
    Vec<T, V> y;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const int c = p.channels_last ? k : 0, pixel = p.channels_last ? 0 : k;
      y[k] = store<T>(f.value(load(x[k]), load(scale[c]), noise_at<T>(p, at.n, at.pixel + pixel), load(b[c])));
    }
    store_vec<V>(static_cast<T*>(p.y), i, y);
  }
}

// Sum over the block, returned to its first thread. Ends with a barrier, so it may be called again.
template <typename C>
__device__ __forceinline__ C block_sum(C value) {
  CU_SHARED(C, partial, [kThreads / 32]);
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xffffffffu, value, offset);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  C sum = 0;
  if (threadIdx.x == 0) {
    for (int w = 0; w < kThreads / 32; ++w) sum += partial[w];
  }
  __syncthreads();
  return sum;
}

// Contiguous only. One block per (sample, channel): dx, and the sums of g * x and g over the plane.
template <typename T, int A>
__device__ __forceinline__ void backward_plane(const ScaleBiasActParams& p) {
  using C = Compute<T>;
  const ScaleBiasAct<A, C> f{{p.alpha, p.gain, p.clamp}};
  for (int64_t plane = blockIdx.x; plane < p.n * p.channels; plane += gridDim.x) {
    const int64_t n = plane / p.channels, c = plane % p.channels;
    const C scale = load(static_cast<const T*>(p.scale)[plane]), b = load(static_cast<const T*>(p.b)[c]);
    C sum_scale = 0, sum = 0;
#pragma unroll 1  // unrolled, it spills registers
    for (int64_t i = plane * p.pixels + threadIdx.x; i < (plane + 1) * p.pixels; i += kThreads) {
      const C x = load(static_cast<const T*>(p.x)[i]), noise = noise_at<T>(p, n, i - plane * p.pixels);
      const C g = f.g(load(static_cast<const T*>(p.dy)[i]), x, scale, noise, b);
      static_cast<T*>(p.y)[i] = store<T>(g * scale);
      sum_scale += g * x, sum += g;
    }
    sum_scale = block_sum(sum_scale), sum = block_sum(sum);
    if (threadIdx.x == 0) static_cast<C*>(p.dscale)[plane] = sum_scale, static_cast<C*>(p.db)[plane] = sum;
  }
}

// Contiguous only. One thread per (sample, pixel): the sum of g over channels.
template <typename T, int A>
__device__ __forceinline__ void noise_gradient(const ScaleBiasActParams& p) {
  using C = Compute<T>;
  const ScaleBiasAct<A, C> f{{p.alpha, p.gain, p.clamp}};
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < p.n * p.pixels; i += step) {
    const int64_t n = i / p.pixels, pixel = i % p.pixels;
    const C noise = noise_at<T>(p, n, pixel);
    C sum = 0;
    for (int64_t c = 0; c < p.channels; ++c) {
      const int64_t o = (n * p.channels + c) * p.pixels + pixel;
      const C scale = load(static_cast<const T*>(p.scale)[n * p.channels + c]);
      sum += f.g(load(static_cast<const T*>(p.dy)[o]), load(static_cast<const T*>(p.x)[o]), scale, noise,
                 load(static_cast<const T*>(p.b)[c]));
    }
    static_cast<C*>(p.dnoise)[i] = sum;
  }
}

enum Part { Forward, Planes, Noise };

template <typename T, int V, int P, int A>
__device__ __forceinline__ void part(const ScaleBiasActParams& p) {
  if (P == Forward) forward_stride<T, V, A>(p);
  if (P == Planes) backward_plane<T, A>(p);
  if (P == Noise) noise_gradient<T, A>(p);
}

template <typename T, int V, int P>
__global__ void __launch_bounds__(kThreads) scale_bias_act_kernel(ScaleBiasActParams p) {
  switch (p.act) {
    case Linear: return part<T, V, P, Linear>(p);
    case Relu: return part<T, V, P, Relu>(p);
    case Lrelu: return part<T, V, P, Lrelu>(p);
    case Tanh: return part<T, V, P, Tanh>(p);
    case Sigmoid: return part<T, V, P, Sigmoid>(p);
    case Elu: return part<T, V, P, Elu>(p);
    case Selu: return part<T, V, P, Selu>(p);
    case Softplus: return part<T, V, P, Softplus>(p);
    case Swish: return part<T, V, P, Swish>(p);
  }
}

template <typename T, int V>
int launch_forward(const ScaleBiasActParams& p, void* stream) {
  const int64_t count = p.n * p.channels * p.pixels;
  const unsigned blocks = grid_size(count, static_cast<int64_t>(kThreads) * V, 1 << 16);
  CU_LAUNCH((scale_bias_act_kernel<T, V, Forward>), blocks, kThreads, 0, stream, p);
  return launch_status();
}

template <typename T>
int launch_backward(const ScaleBiasActParams& p, void* stream) {
  if (p.channels_last) return static_cast<int>(cudaErrorInvalidValue);  // the binding makes it contiguous
  CU_LAUNCH((scale_bias_act_kernel<T, 1, Planes>), grid_size(p.n * p.channels, 1, 1 << 20), kThreads, 0, stream, p);
  if (p.dnoise != nullptr) {
    CU_LAUNCH((scale_bias_act_kernel<T, 1, Noise>), grid_size(p.n * p.pixels, kThreads), kThreads, 0, stream, p);
  }
  return launch_status();
}

}  // namespace

int scale_bias_act_cuda(Dtype dtype, const ScaleBiasActParams& p, void* stream) {
  return dispatch(dtype, [&](auto t) {
    using T = typename decltype(t)::type;
    if (p.dy != nullptr) return launch_backward<T>(p, stream);
    const bool whole = (p.channels_last ? p.channels : p.pixels) % VECTOR<T> == 0;
    const bool placed = aligned(p.x) && aligned(p.y);
    return placed && whole ? launch_forward<T, VECTOR<T>>(p, stream) : launch_forward<T, 1>(p, stream);
  });
}

}  // namespace gan
