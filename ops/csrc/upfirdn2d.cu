// upfirdn2d on CUDA: four kernels.
//   channels  channels_last, 4x4 taps: a thread holds 16 bytes of channels of four outputs side by side, so that
//             neighbours share what it reads; no shared memory but for the taps.
//   patches   4x4 taps otherwise: a thread holds a patch of outputs of one plane, so that what it reads is used by
//             several of them and its place is computed once; no shared memory but for the taps.
//   tiles     separable filters of 12 taps: a tile of one plane in shared memory, in two passes there.
//   general   every other factor and filter, and float64: a thread an output.
#include <cstdlib>

#include "cuda_common.h"
#include "store_at_once.h"
#include "upfirdn2d.h"

namespace gan {
namespace {

constexpr int kThreads = 256;
constexpr int kSide = 32;  // outputs along a tile

// Elements in memory order, [batch, height, width, inner].
template <typename T>
__global__ void __launch_bounds__(kThreads) general_kernel(Upfirdn2dParams p) {
  using C = Compute<T>;
  const FirAxis &h = p.horizontal, &v = p.vertical;
  const int64_t count = p.batch * v.out * h.out * p.inner;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += stride) {
    const int64_t pixel = i / p.inner, row = pixel / h.out, image = row / v.out;
    const FirWindow wx = fir_window(h, pixel - row * h.out), wy = fir_window(v, row - image * v.out);
    const T* x = static_cast<const T*>(p.x) + image * v.in * h.in * p.inner + (i - pixel * p.inner);
    C sum = 0;
    int64_t sy = wy.sample;
    for (int ty = wy.tap; ty < v.taps; ty += v.up, ++sy) {
      if (sy < 0 || sy >= v.in) continue;
      const int at_y = fir_index(ty, v.taps, p.flip);
      const float* f = p.separable ? p.f : p.f + at_y * h.taps;
      C line = 0;
      int64_t sx = wx.sample;
      for (int tx = wx.tap; tx < h.taps; tx += h.up, ++sx) {
        if (sx < 0 || sx >= h.in) continue;
        line += C(f[fir_index(tx, h.taps, p.flip)] * p.gain) * load(x[(sy * h.in + sx) * p.inner]);
      }
      sum += p.separable ? line * C(p.f[at_y] * p.gain) : line;
    }
    static_cast<T*>(p.y)[i] = store<T>(sum);
  }
}

// The taps of a correlation, times gain, of a filter of K or K x K.
template <int K>
__device__ __forceinline__ void load_taps(const Upfirdn2dParams& p, float* taps) {
  const int i = threadIdx.x;
  if (i >= (p.separable ? K : K * K)) return;
  const int row = p.separable ? 0 : fir_index(i / K, K, p.flip), column = fir_index(i % K, K, p.flip);
  taps[i] = p.f[row * K + column] * p.gain;
}

// What a thread of the channels kernel computes: kRun outputs from `output` on, which lies on a sample.
constexpr int kRun = 4, kTaps = 4;

// Samples along an axis that a run of `outputs` sees of which the first lies on a sample.
template <int Up, int Down>
GAN_HD constexpr int run_reach(int outputs) {
  return ((outputs - 1) * Down + Up - 1) / Up + kTaps / Up;
}

// Outputs by which the first run begins before output 0.
GAN_HD int run_shift(const FirAxis& a) { return a.up == 2 ? static_cast<int>(a.pad & 1) : 0; }

template <typename T, int Up, int Down>
__global__ void __launch_bounds__(kThreads) channels_kernel(Upfirdn2dParams p, unsigned vectors, unsigned runs) {
  constexpr int V = VECTOR<T>, kEach = kTaps / Up, kColumns = run_reach<Up, Down>(kRun);
  CU_SHARED(float, taps, [kTaps * kTaps]);
  load_taps<kTaps>(p, taps);
  __syncthreads();
  const FirAxis &h = p.horizontal, &v = p.vertical;
  const unsigned item = blockIdx.x * kThreads + threadIdx.x, run = item / vectors, row = run / runs;
  const int64_t image = row / static_cast<unsigned>(v.out), channel = static_cast<int64_t>(item - run * vectors) * V;
  if (image >= p.batch) return;
  const int64_t output = static_cast<int64_t>(run - row * runs) * kRun - run_shift(h);
  const int64_t column = (output * Down - h.pad) / Up;  // exact
  const FirWindow w = fir_window(v, row - image * v.out);
  const T* x = static_cast<const T*>(p.x) + image * v.in * h.in * p.inner + channel;
  float sum[kRun][V] = {};
#pragma unroll
  for (int a = 0; a < kEach; ++a) {
    const int64_t sy = w.sample + a;
    if (sy < 0 || sy >= v.in) continue;
    const float* f = taps + (w.tap + a * Up) * kTaps;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int64_t sx = column + c;
      if (sx < 0 || sx >= h.in) continue;
      const Vec<T, V> value = load_vec<V>(x, (sy * h.in + sx) * p.inner);
#pragma unroll
      for (int r = 0; r < kRun; ++r) {
        const int first = (r * Down + Up - 1) / Up, b = c - first;
        if (b < 0 || b >= kEach) continue;
        const float tap = f[first * Up - r * Down + b * Up];
#pragma unroll
        for (int k = 0; k < V; ++k) sum[r][k] += tap * load(value[k]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRun; ++r) {
    if (output + r < 0 || output + r >= h.out) continue;
    Vec<T, V> value;
#pragma unroll
    for (int k = 0; k < V; ++k) value[k] = store<T>(sum[r][k]);
    store_vec<V>(static_cast<T*>(p.y) + channel, (static_cast<int64_t>(row) * h.out + output + r) * p.inner, value);
  }
}

// What a thread of the patches kernel computes: kWide x kTall outputs, the first of which lies on a sample both ways.
template <int Up, int Down>
struct Patch {
  static constexpr int kWide = Down == 2 ? 1 : 2 * Up, kTall = 8;
  static constexpr int kColumns = run_reach<Up, Down>(kWide), kRows = run_reach<Up, Down>(kTall);
};

// Patches along a row and along a column; whole: the outputs of a row of a patch may be stored at once.
struct Patches {
  unsigned across, along;
  bool whole;
};

__device__ __forceinline__ bool within(int i, int size) {
  return static_cast<unsigned>(i) < static_cast<unsigned>(size);
}

// Neighbouring threads have neighbouring patches of a row (inner = 1), or channels of one patch.
template <typename T, int Up, int Down, bool Planar>
__global__ void __launch_bounds__(kThreads) patches_kernel(Upfirdn2dParams p, Patches patches) {
  using P = Patch<Up, Down>;
  using Four = Vec<float, kTaps>;
  constexpr int kEach = kTaps / Up;
  CU_SHARED(Four, taps, [kTaps]);
  load_taps<kTaps>(p, &taps[0][0]);
  __syncthreads();
  const FirAxis &h = p.horizontal, &v = p.vertical;
  const int inner = Planar ? 1 : static_cast<int>(p.inner);
  const int in_w = static_cast<int>(h.in), in_h = static_cast<int>(v.in), pitch = in_w * inner;
  const unsigned item = blockIdx.x * kThreads + threadIdx.x, place = item / inner, strip = place / patches.across;
  const int64_t image = strip / patches.along;
  if (image >= p.batch) return;
  const int channel = static_cast<int>(item - place * inner);
  const int column = static_cast<int>(place - strip * patches.across) * P::kWide - run_shift(h);
  const int row = static_cast<int>(strip % patches.along) * P::kTall - run_shift(v);
  const int sx = (column * Down - static_cast<int>(h.pad)) / Up;  // exact
  const int sy = (row * Down - static_cast<int>(v.pad)) / Up;     // exact
  bool inside[P::kColumns];
#pragma unroll
  for (int c = 0; c < P::kColumns; ++c) inside[c] = within(sx + c, in_w);
  const T* x = static_cast<const T*>(p.x) + (image * in_h + sy) * pitch + sx * inner + channel;
  float sum[P::kTall][P::kWide] = {};
#pragma unroll
  for (int a = 0; a < P::kRows; ++a) {
    const bool row_inside = within(sy + a, in_h);
    float value[P::kColumns];
#pragma unroll
    for (int c = 0; c < P::kColumns; ++c) {
      value[c] = row_inside && inside[c] ? load(x[static_cast<int64_t>(a) * pitch + c * inner]) : 0.0f;
    }
#pragma unroll
    for (int j = 0; j < P::kTall; ++j) {
      const int first_y = (j * Down + Up - 1) / Up, y = a - first_y;
      if (y < 0 || y >= kEach) continue;
#pragma unroll
      for (int r = 0; r < P::kWide; ++r) {
        const int first_x = (r * Down + Up - 1) / Up;
#pragma unroll
        for (int b = 0; b < kEach; ++b) {
          sum[j][r] += taps[first_y * Up - j * Down + y * Up][first_x * Up - r * Down + b * Up] * value[first_x + b];
        }
      }
    }
  }
  const int out_w = static_cast<int>(h.out), out_h = static_cast<int>(v.out);
  T* const y = static_cast<T*>(p.y) + (image * out_h + row) * out_w * inner + column * inner + channel;
  if constexpr (Planar && P::kWide > 1) {
    if (patches.whole) {
#pragma unroll
      for (int j = 0; j < P::kTall; ++j) {
        Vec<T, P::kWide> values;
#pragma unroll
        for (int r = 0; r < P::kWide; ++r) values[r] = store<T>(sum[j][r]);
        if (within(row + j, out_h)) store_at_once(y + j * out_w, values);
      }
      return;
    }
  }
#pragma unroll
  for (int j = 0; j < P::kTall; ++j) {
#pragma unroll
    for (int r = 0; r < P::kWide; ++r) {
      if (within(row + j, out_h) && within(column + r, out_w)) y[(j * out_w + r) * inner] = store<T>(sum[j][r]);
    }
  }
}

// Sizes of a tile for K taps: kSide x kRows outputs from kWidth x kHeight samples.
template <int Up, int Down, int K>
struct Tile {
  static constexpr int kRows = Down == 4 ? 8 : kSide;
  static constexpr int kWidth = ((kSide - 1) * Down + K - 1) / Up + 1;
  static constexpr int kHeight = ((kRows - 1) * Down + K - 1) / Up + 1;
};

template <typename T, int Up, int Down, int K>
__global__ void __launch_bounds__(kThreads) tile_kernel(Upfirdn2dParams p, unsigned across, unsigned tiles) {
  using Size = Tile<Up, Down, K>;
  constexpr int kEach = K / Up, kStep = kThreads / kSide;
  CU_SHARED(float, taps, [K]);
  CU_SHARED(float, samples, [Size::kHeight][Size::kWidth]);
  CU_SHARED(float, sums, [Size::kHeight][kSide]);
  const FirAxis &h = p.horizontal, &v = p.vertical;
  const int64_t plane = blockIdx.x / tiles, image = plane / p.inner;
  const unsigned tile = blockIdx.x % tiles;
  const int64_t left = static_cast<int64_t>(tile % across) * kSide;
  const int64_t top = static_cast<int64_t>(tile / across) * Size::kRows;
  const int64_t x0 = fir_window(h, left).sample, y0 = fir_window(v, top).sample;
  const T* x = static_cast<const T*>(p.x) + image * v.in * h.in * p.inner + (plane - image * p.inner);
  load_taps<K>(p, taps);
  for (int i = threadIdx.x; i < Size::kHeight * Size::kWidth; i += kThreads) {
    const int64_t sy = y0 + i / Size::kWidth, sx = x0 + i % Size::kWidth;
    const bool inside = sy >= 0 && sy < v.in && sx >= 0 && sx < h.in;
    samples[i / Size::kWidth][i % Size::kWidth] = inside ? load(x[(sy * h.in + sx) * p.inner]) : 0.0f;
  }
  __syncthreads();
  const int column = threadIdx.x % kSide, first = threadIdx.x / kSide;
  const FirWindow wx = fir_window(h, left + column);
  const int sx = static_cast<int>(wx.sample - x0);
  for (int row = first; row < Size::kHeight; row += kStep) {
    float sum = 0;
#pragma unroll
    for (int b = 0; b < kEach; ++b) sum += taps[wx.tap + b * Up] * samples[row][sx + b];
    sums[row][column] = sum;
  }
  __syncthreads();
  if (left + column >= h.out) return;
  T* y = static_cast<T*>(p.y) + image * v.out * h.out * p.inner + (plane - image * p.inner);
  for (int row = first; row < Size::kRows && top + row < v.out; row += kStep) {
    const FirWindow wy = fir_window(v, top + row);
    const int sy = static_cast<int>(wy.sample - y0);
    float sum = 0;
#pragma unroll
    for (int a = 0; a < kEach; ++a) sum += taps[wy.tap + a * Up] * sums[sy + a][column];
    y[((top + row) * h.out + left + column) * p.inner] = store<T>(sum);
  }
}

template <typename T>
int launch_general(const Upfirdn2dParams& p, void* stream) {
  const int64_t count = p.batch * p.vertical.out * p.horizontal.out * p.inner;
  CU_LAUNCH((general_kernel<T>), grid_size(count, kThreads, 1 << 16), kThreads, 0, stream, p);
  return launch_status();
}

constexpr int64_t kMost = 0x7fffffff;  // threads, blocks and elements of an image that 32-bit numbers count

template <typename T, int Up, int Down, int K>
int launch_tiles(const Upfirdn2dParams& p, void* stream) {
  constexpr int kRows = Tile<Up, Down, K>::kRows;
  const int64_t across = (p.horizontal.out + kSide - 1) / kSide;
  const int64_t tiles = across * ((p.vertical.out + kRows - 1) / kRows), blocks = tiles * p.batch * p.inner;
  if (blocks > kMost) return launch_general<T>(p, stream);
  CU_LAUNCH((tile_kernel<T, Up, Down, K>), static_cast<unsigned>(blocks), kThreads, 0, stream, p,
            static_cast<unsigned>(across), static_cast<unsigned>(tiles));
  return launch_status();
}

template <typename T, int Up, int Down>
int launch_patches(const Upfirdn2dParams& p, void* stream) {
  using P = Patch<Up, Down>;
  const FirAxis &h = p.horizontal, &v = p.vertical;
  const int64_t across = (h.out + run_shift(h) + P::kWide - 1) / P::kWide;
  const int64_t along = (v.out + run_shift(v) + P::kTall - 1) / P::kTall, items = p.batch * along * across * p.inner;
  const int64_t most = (h.in + h.out + 2 * std::abs(h.pad)) * (v.in + v.out + 2 * std::abs(v.pad)) * p.inner;
  if (items > kMost - kThreads || most > kMost) return launch_general<T>(p, stream);
  const bool whole = h.out % P::kWide == 0 && run_shift(h) == 0 && aligned(p.y, P::kWide * sizeof(T));
  const Patches patches{static_cast<unsigned>(across), static_cast<unsigned>(along), whole};
  const unsigned blocks = grid_size(items, kThreads);
  if (p.inner == 1) {
    CU_LAUNCH((patches_kernel<T, Up, Down, true>), blocks, kThreads, 0, stream, p, patches);
  } else {
    CU_LAUNCH((patches_kernel<T, Up, Down, false>), blocks, kThreads, 0, stream, p, patches);
  }
  return launch_status();
}

template <typename T, int Up, int Down>
int launch_4x4(const Upfirdn2dParams& p, void* stream) {
  constexpr int V = VECTOR<T>;
  const int64_t vectors = p.inner / V, runs = (p.horizontal.out + run_shift(p.horizontal) + kRun - 1) / kRun;
  const int64_t items = p.batch * p.vertical.out * runs * vectors;
  if (p.inner % V != 0 || !aligned(p.x) || !aligned(p.y) || items > kMost - kThreads) {
    return launch_patches<T, Up, Down>(p, stream);
  }
  CU_LAUNCH((channels_kernel<T, Up, Down>), grid_size(items, kThreads), kThreads, 0, stream, p,
            static_cast<unsigned>(vectors), static_cast<unsigned>(runs));
  return launch_status();
}

template <typename T>
int launch(const Upfirdn2dParams& p, void* stream) {
  const FirAxis &h = p.horizontal, &v = p.vertical;
  const bool alike = h.up == v.up && h.down == v.down && h.taps == v.taps;
  auto are = [&](int taps, int up, int down) { return alike && h.taps == taps && h.up == up && h.down == down; };
  if (!p.separable && are(4, 1, 1)) return launch_4x4<T, 1, 1>(p, stream);
  if (!p.separable && are(4, 2, 1)) return launch_4x4<T, 2, 1>(p, stream);
  if (!p.separable && are(4, 1, 2)) return launch_4x4<T, 1, 2>(p, stream);
  if (p.separable && are(12, 1, 1)) return launch_tiles<T, 1, 1, 12>(p, stream);
  if (p.separable && are(12, 2, 1)) return launch_tiles<T, 2, 1, 12>(p, stream);
  if (p.separable && are(12, 1, 2)) return launch_tiles<T, 1, 2, 12>(p, stream);
  if (p.separable && are(12, 4, 1)) return launch_tiles<T, 4, 1, 12>(p, stream);
  if (p.separable && are(12, 1, 4)) return launch_tiles<T, 1, 4, 12>(p, stream);
  return launch_general<T>(p, stream);
}

template <>
int launch<double>(const Upfirdn2dParams& p, void* stream) {
  return launch_general<double>(p, stream);
}

}  // namespace

int upfirdn2d_cuda(Dtype dtype, const Upfirdn2dParams& p, void* stream) {
  return dispatch(dtype, [&](auto t) { return launch<typename decltype(t)::type>(p, stream); });
}

}  // namespace gan
