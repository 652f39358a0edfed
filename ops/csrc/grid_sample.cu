// grid_sample on CUDA: the forward map gathers; its adjoint adds atomically, so the order of its sums is not fixed.
#include "cuda_common.h"
#include "grid_sample.h"

namespace gan {
namespace {

constexpr int kThreads = 256;
constexpr int kChannels = 8;  // of a contiguous image, that one thread goes through

// A place along one axis: the pixels before and after it, and their weights.
template <typename C>
struct Axis {
  int64_t at[2];
  C weight[2];
  bool used;  // is one of them in the image?

  __device__ __forceinline__ Axis(C coordinate, int64_t size) {
    const int count = static_cast<int>(size);
    const C x = place(coordinate, count), before = floor(x);
    used = x >= C(-1);
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      at[k] = static_cast<int>(nearest(before + C(k), count));
      weight[k] = share(x, before + C(k), count);
    }
  }
};

// The coordinates of a place. A grid with a storage offset may begin between two multiples of their size together.
template <typename C>
__device__ __forceinline__ Vec<C, 2> coordinates_at(const GridSampleParams& p, int64_t place) {
  const C* grid = static_cast<const C*>(p.grid);
  if (p.paired) return load_vec<2>(grid, place * 2);
  return Vec<C, 2>{{grid[place * 2], grid[place * 2 + 1]}};
}

// y = sum of weight * x over the four pixels, for V channels. `step` lies between x's pixels.
template <typename T, int V, typename C>
__device__ __forceinline__ void gather(const Axis<C>& across, const Axis<C>& down, int64_t width, int64_t step,
                                       const T* x, T* y) {
  Vec<C, V> sum;
#pragma unroll
  for (int k = 0; k < V; ++k) sum[k] = C(0);
#pragma unroll
  for (int corner = 0; corner < 4; ++corner) {
    const int i = corner / 2, j = corner % 2;
    const C weight = down.weight[i] * across.weight[j];
    if (weight == C(0)) continue;
    const Vec<T, V> value = load_vec<V>(x, (down.at[i] * width + across.at[j]) * step);
#pragma unroll
    for (int k = 0; k < V; ++k) sum[k] += weight * load(value[k]);
  }
  Vec<T, V> result;
#pragma unroll
  for (int k = 0; k < V; ++k) result[k] = store<T>(sum[k]);
  store_vec<V>(y, 0, result);
}

// dx += weight * dy at each of the four pixels.
template <typename T, int V, typename C>
__device__ __forceinline__ void scatter(const Axis<C>& across, const Axis<C>& down, int64_t width, int64_t step,
                                        const T* dy, C* dx) {
  if (!across.used || !down.used) return;
  const Vec<T, V> d = load_vec<V>(dy, 0);
#pragma unroll
  for (int corner = 0; corner < 4; ++corner) {
    const int i = corner / 2, j = corner % 2;
    const C weight = down.weight[i] * across.weight[j];
    if (weight == C(0)) continue;
    C* to = dx + (down.at[i] * width + across.at[j]) * step;
#pragma unroll
    for (int k = 0; k < V; ++k) atomicAdd(to + k, weight * load(d[k]));
  }
}

// A thread takes one output pixel and every gridDim.y-th channel; of channels_last images V channels.
template <typename T, int V, bool Last, bool Adjoint>
__global__ void __launch_bounds__(kThreads) grid_sample_kernel(GridSampleParams p) {
  using C = Compute<T>;
  const int64_t area = p.h * p.w, pixels = p.ho * p.wo, groups = Last ? p.c / V : 1;
  const int64_t count = p.n * pixels * groups, step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step) {
    const int64_t place = i / groups, n = place / pixels, pixel = place - n * pixels;
    const Vec<C, 2> coordinates = coordinates_at<C>(p, place);
    const Axis<C> across(coordinates[0], p.w), down(coordinates[1], p.h);
    const int64_t first = Last ? (i - place * groups) * V : blockIdx.y;
    for (int64_t c = first; c < p.c; c += Last ? p.c : gridDim.y) {
      const int64_t image = Last ? n * area * p.c + c : (n * p.c + c) * area;
      const int64_t output = Last ? place * p.c + c : (n * p.c + c) * pixels + pixel;
      const T* from = static_cast<const T*>(p.from);
      if (Adjoint) scatter<T, V>(across, down, p.w, Last ? p.c : 1, from + output, static_cast<C*>(p.sums) + image);
      if (!Adjoint) gather<T, V>(across, down, p.w, Last ? p.c : 1, from + image, static_cast<T*>(p.to) + output);
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) round_kernel(const Compute<T>* sums, T* to, int64_t count) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step) {
    to[i] = store<T>(sums[i]);
  }
}

template <typename T, int V, bool Last>
void launch(const GridSampleParams& p, void* stream) {
  const int64_t channels = (p.c + kChannels - 1) / kChannels;
  const dim3 grid(grid_size(p.n * p.ho * p.wo * (Last ? p.c / V : 1), kThreads, 1 << 20),
                  Last ? 1 : static_cast<unsigned>(channels < 65535 ? channels : 65535));
  if (p.adjoint) CU_LAUNCH((grid_sample_kernel<T, V, Last, true>), grid, kThreads, 0, stream, p);
  if (!p.adjoint) CU_LAUNCH((grid_sample_kernel<T, V, Last, false>), grid, kThreads, 0, stream, p);
}

template <typename T>
int run(const GridSampleParams& given, void* stream) {
  constexpr int V = VECTOR<T>;
  GridSampleParams p = given;
  p.paired = aligned(p.grid, sizeof(Vec<Compute<T>, 2>));
  const int64_t count = p.n * p.c * p.h * p.w;
  if (p.adjoint) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(Compute<T>);
    const cudaError_t error = cudaMemsetAsync(p.sums, 0, bytes, static_cast<cudaStream_t>(stream));
    if (error != cudaSuccess) return static_cast<int>(error);
  }
  if (!p.channels_last) {
    launch<T, 1, false>(p, stream);
  } else if (p.c % V == 0 && aligned(p.from) && aligned(p.to)) {
    launch<T, V, true>(p, stream);
  } else {
    launch<T, 1, true>(p, stream);
  }
  if (p.adjoint && p.sums != p.to) {
    CU_LAUNCH((round_kernel<T>), grid_size(count, kThreads, 1 << 16), kThreads, 0, stream,
              static_cast<const Compute<T>*>(p.sums), static_cast<T*>(p.to), count);
  }
  return launch_status();
}

}  // namespace

int grid_sample_cuda(Dtype dtype, const GridSampleParams& p, void* stream) {
  return dispatch(dtype, [&](auto t) { return run<typename decltype(t)::type>(p, stream); });
}

}  // namespace gan
