// scale_bias_act on CUDA. Forward: one pass, 16 bytes an access where shape and alignment allow. Backward: blocks
// write dx and sum over the pixels, a plane each, or in channels_last 32 channels of a slab each, whose sums a
// second kernel adds, always in the same order; the noise's gradient sums over channels.
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

// Sum over the warp, returned to its first lane.
template <typename C>
__device__ __forceinline__ C warp_sum(C value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xffffffffu, value, offset);
  return value;
}

// Sum over the block, returned to its first thread. Ends with a barrier, so it may be called again.
template <typename C>
__device__ __forceinline__ C block_sum(C value) {
  CU_SHARED(C, partial, [kThreads / 32]);
  value = warp_sum(value);
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

// Channels_last only. One block per (sample, 32 channels, slab of pixels): dx, and both sums over the slab.
template <typename T, int A>
__device__ __forceinline__ void backward_slab(const ScaleBiasActParams& p) {
  using C = Compute<T>;
  constexpr int kRows = kThreads / 32;
  CU_SHARED(C, sums, [2][kRows][32]);
  const ScaleBiasAct<A, C> f{{p.alpha, p.gain, p.clamp}};
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32;
  const int64_t tiles = (p.channels + 31) / 32, slab_size = (p.pixels + p.slabs - 1) / p.slabs;
  for (int64_t block = blockIdx.x; block < p.n * tiles * p.slabs; block += gridDim.x) {
    const int64_t slab = block % p.slabs, tile = block / p.slabs % tiles, n = block / p.slabs / tiles;
    const int64_t c = tile * 32 + lane, plane = n * p.channels + c;
    const int64_t begin = slab * slab_size, end = begin + slab_size < p.pixels ? begin + slab_size : p.pixels;
    C sum_scale = 0, sum = 0;
    if (c < p.channels) {
      const C scale = load(static_cast<const T*>(p.scale)[plane]), b = load(static_cast<const T*>(p.b)[c]);
#pragma unroll 1
      for (int64_t pixel = begin + row; pixel < end; pixel += kRows) {
        const int64_t i = (n * p.pixels + pixel) * p.channels + c;
        const C x = load(static_cast<const T*>(p.x)[i]);
        const C g = f.g(load(static_cast<const T*>(p.dy)[i]), x, scale, noise_at<T>(p, n, pixel), b);
        static_cast<T*>(p.y)[i] = store<T>(g * scale);
        sum_scale += g * x, sum += g;
      }
    }
    sums[0][row][lane] = sum_scale, sums[1][row][lane] = sum;
    __syncthreads();
    if (row < 2 && c < p.channels) {
      C total = 0;
      for (int r = 0; r < kRows; ++r) total += sums[row][r][lane];
      static_cast<C*>(p.slab_sums)[(slab * 2 + row) * p.n * p.channels + plane] = total;
    }
    __syncthreads();
  }
}

// One thread per (sample, channel): both sums over the slabs.
template <typename C>
__global__ void __launch_bounds__(kThreads) slabs_kernel(ScaleBiasActParams p) {
  const int64_t planes = p.n * p.channels, step = static_cast<int64_t>(gridDim.x) * kThreads;
  const C* const sums = static_cast<const C*>(p.slab_sums);
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < planes; i += step) {
    C sum_scale = 0, sum = 0;
    for (int64_t slab = 0; slab < p.slabs; ++slab) {
      sum_scale += sums[slab * 2 * planes + i], sum += sums[(slab * 2 + 1) * planes + i];
    }
    static_cast<C*>(p.dscale)[i] = sum_scale, static_cast<C*>(p.db)[i] = sum;
  }
}

// g of one sample, pixel and channel, which is element i.
template <typename T, int A>
__device__ __forceinline__ Compute<T> g_at(const ScaleBiasActParams& p, int64_t n, int64_t c, int64_t i,
                                           Compute<T> noise) {
  const ScaleBiasAct<A, Compute<T>> f{{p.alpha, p.gain, p.clamp}};
  return f.g(load(static_cast<const T*>(p.dy)[i]), load(static_cast<const T*>(p.x)[i]),
             load(static_cast<const T*>(p.scale)[n * p.channels + c]), noise, load(static_cast<const T*>(p.b)[c]));
}

// The sum of g over channels: one thread per (sample, pixel), or one warp where channels lie side by side.
template <typename T, int A>
__device__ __forceinline__ void noise_gradient(const ScaleBiasActParams& p) {
  using C = Compute<T>;
  const int width = p.channels_last ? 32 : 1, lane = threadIdx.x % width;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads / width;
  const int64_t stride = p.channels_last ? 1 : p.pixels;
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / width; i < p.n * p.pixels; i += step) {
    const int64_t n = i / p.pixels, pixel = i % p.pixels;
    const int64_t first = p.channels_last ? i * p.channels : n * p.channels * p.pixels + pixel;
    const C noise = noise_at<T>(p, n, pixel);
    C sum = 0;
#pragma unroll 1  // unrolled, it spills registers
    for (int64_t c = lane; c < p.channels; c += width) sum += g_at<T, A>(p, n, c, first + c * stride, noise);
    if (p.channels_last) sum = warp_sum(sum);
    if (lane == 0) static_cast<C*>(p.dnoise)[i] = sum;
  }
}

enum Part { Forward, Planes, Slabs, Noise };

template <typename T, int V, int P, int A>
__device__ __forceinline__ void part(const ScaleBiasActParams& p) {
  if (P == Forward) forward_stride<T, V, A>(p);
  if (P == Planes) backward_plane<T, A>(p);
  if (P == Slabs) backward_slab<T, A>(p);
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
  const int64_t planes = p.n * p.channels;
  if (p.channels_last) {
    const unsigned blocks = grid_size(p.n * ((p.channels + 31) / 32) * p.slabs, 1, 1 << 20);
    CU_LAUNCH((scale_bias_act_kernel<T, 1, Slabs>), blocks, kThreads, 0, stream, p);
    CU_LAUNCH((slabs_kernel<Compute<T>>), grid_size(planes, kThreads), kThreads, 0, stream, p);
  } else {
    CU_LAUNCH((scale_bias_act_kernel<T, 1, Planes>), grid_size(planes, 1, 1 << 20), kThreads, 0, stream, p);
  }
  if (p.dnoise != nullptr) {
    const int64_t each = kThreads / (p.channels_last ? 32 : 1);
    CU_LAUNCH((scale_bias_act_kernel<T, 1, Noise>), grid_size(p.n * p.pixels, each), kThreads, 0, stream, p);
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
