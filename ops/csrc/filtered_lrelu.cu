// filtered_lrelu on CUDA: the upsampled signal stays in registers where both filters are separable
// (filtered_lrelu_strips.h), and in shared memory where one of them is radial: a block makes a tile of the result.
//
// The filters of StyleGAN3's networks have such kernels, in float arithmetic. Everything else goes through two
// plain kernels with the upsampled signal in memory between them.
#include "cuda_common.h"
#include "filtered_lrelu_strips.h"
#include "filtered_lrelu_tile.h"

namespace gan {
namespace {

constexpr int kThreads = 256;

template <int SIZE, int WIDTH, bool RADIAL>
__device__ __forceinline__ void load_taps(const Taps& f, float* to) {
  for (int i = threadIdx.x; i < SIZE; i += kThreads) {
    to[i] = RADIAL ? f.at<float>(i % WIDTH, i / WIDTH) : f.along(i);
  }
}

template <typename T, typename G>
__device__ __forceinline__ void load_input(const FilteredLreluParams& p, const Place& at, float* in) {
  const T* x = static_cast<const T*>(p.x) + at.plane * p.in_h * p.in_w;
  const float bias = p.b == nullptr ? 0.0f : load(static_cast<const T*>(p.b)[at.plane % p.channels]);
  for (int i = threadIdx.x; i < G::IN_H * G::IN_W; i += kThreads) {
    const int gx = at.in_x + i % G::IN_W, gy = at.in_y + i / G::IN_W;
    const bool inside = gx >= 0 && gx < p.in_w && gy >= 0 && gy < p.in_h;
    in[i] = inside ? load(x[static_cast<int64_t>(gy) * p.in_w + gx]) + bias : 0.0f;
  }
}

// Samples first - UP + 1 to first of the middle, first = UP * g + phase, all meet input samples g to g + TAPS - 1;
// sample first - UP + 1 + s meets them with taps UP - 1 - s, 2 * UP - 1 - s, ...
template <typename G>
__device__ __forceinline__ void upsample_x(const Place& at, const float* taps, const float* in, float* wide) {
  constexpr int GROUPS = (G::MID_W + G::UP - 2) / G::UP + 1;
  for (int i = threadIdx.x; i < G::IN_H * GROUPS; i += kThreads) {
    const int row = i / GROUPS, g = i % GROUPS, start = G::UP * (g - 1) + at.phase_x + 1;
    float x[G::TAPS];
#pragma unroll
    for (int t = 0; t < G::TAPS; ++t) x[t] = g + t < G::IN_W ? in[row * G::IN_W + g + t] : 0.0f;
#pragma unroll
    for (int s = 0; s < G::UP; ++s) {
      float sum = 0;
#pragma unroll
      for (int t = 0; t < G::TAPS; ++t) sum += taps[G::UP - 1 - s + G::UP * t] * x[t];
      if (start + s >= 0 && start + s < G::MID_W) wide[row * G::MID_W + start + s] = sum;
    }
  }
}

// Four samples of row y of the middle from x on (in the whole image), bent or masked; zero outside of it.
__device__ __forceinline__ Quad bend_four(const FilteredLreluParams& p, const Bend<float>& bend, const Place& at, int x,
                                          int y, Quad v, bool owned) {
  const bool row_inside = y >= 0 && y < p.mid_h;
  uint8_t* mask = p.mask + (at.plane * p.mid_h + y) * p.mask_w;
  int byte = 0;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int m = x + j;
    const bool inside = row_inside && m >= 0 && m < p.mid_w;
    if (p.mode == BendMode::Masked) {
      v[j] = inside ? v[j] * bend.slope(mask[m >> 2] >> (2 * (m & 3))) : 0.0f;
    } else {
      const float y = bend.unclamped(v[j]);
      byte |= inside ? bend.code(v[j], y) << (2 * j) : 0;
      v[j] = inside ? bend.clamped(y) : 0.0f;
    }
  }
  if (p.mode == BendMode::ValueAndMask && owned && row_inside && x < p.mid_w) mask[x >> 2] = static_cast<uint8_t>(byte);
  return v;
}

template <typename G>
__device__ __forceinline__ void put_four(const FilteredLreluParams& p, const Bend<float>& bend, const Place& at, int q,
                                         int row, const Quad& v, Quad* middle) {
  const bool owned = (q * 4 < G::W * G::DOWN || at.last_x) && (row < G::H * G::DOWN || at.last_y);
  middle[row * G::MID_Q + q] = bend_four(p, bend, at, at.middle_x + q * 4, at.middle_y + row, v, owned);
}

template <typename G>
__device__ __forceinline__ void upsample_y(const FilteredLreluParams& p, const Bend<float>& bend, const Place& at,
                                           const float* taps, const Quad* wide, Quad* middle) {
  constexpr int GROUPS = (G::MID_H + G::UP - 2) / G::UP + 1;
  for (int i = threadIdx.x; i < GROUPS * G::MID_Q; i += kThreads) {
    const int g = i / G::MID_Q, q = i % G::MID_Q, start = G::UP * (g - 1) + at.phase_y + 1;
    Quad x[G::TAPS];
#pragma unroll
    for (int t = 0; t < G::TAPS; ++t) x[t] = wide[(g + t < G::IN_H ? g + t : 0) * G::MID_Q + q];
#pragma unroll
    for (int s = 0; s < G::UP; ++s) {
      Quad sum = {};
#pragma unroll
      for (int t = 0; t < G::TAPS; ++t) {
        const float tap = taps[G::UP - 1 - s + G::UP * t];
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[j] += tap * x[t][j];
      }
      if (start + s >= 0 && start + s < G::MID_H) put_four<G>(p, bend, at, q, start + s, sum, middle);
    }
  }
}

// Both axes at once.
template <typename G>
__device__ __forceinline__ void upsample_radial(const FilteredLreluParams& p, const Bend<float>& bend, const Place& at,
                                                const float* taps, const float* in, Quad* middle) {
  for (int i = threadIdx.x; i < G::MID_H * G::MID_Q; i += kThreads) {
    const int row = i / G::MID_Q, q = i % G::MID_Q;
    const int ky = (at.phase_y - row % G::UP + G::UP) % G::UP, y = (row + ky - at.phase_y) / G::UP;
    Quad sum = {};
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int kx = (at.phase_x - j % G::UP + G::UP) % G::UP, x = (q * 4 + j + kx - at.phase_x) / G::UP;
#pragma unroll 1
      for (int ty = 0; ty < G::TAPS; ++ty) {
#pragma unroll
        for (int tx = 0; tx < G::TAPS; ++tx) {
          sum[j] += taps[(ky + G::UP * ty) * G::FU + kx + G::UP * tx] * in[(y + ty) * G::IN_W + x + tx];
        }
      }
    }
    put_four<G>(p, bend, at, q, row, sum, middle);
  }
}

template <typename G>
__device__ __forceinline__ void downsample_y(const float* taps, const Quad* middle, Quad* narrow) {
  for (int i = threadIdx.x; i < G::H * G::MID_Q; i += kThreads) {
    const int row = i / G::MID_Q, q = i % G::MID_Q;
    Quad sum = {};
#pragma unroll
    for (int k = 0; k < G::FD; ++k) {
      const Quad x = middle[(row * G::DOWN + k) * G::MID_Q + q];
#pragma unroll
      for (int j = 0; j < 4; ++j) sum[j] += taps[k] * x[j];
    }
    narrow[i] = sum;
  }
}

// The result, from rows that are downsampled along y already, or (radial) from the middle.
template <typename T, typename G>
__device__ __forceinline__ void finish(const FilteredLreluParams& p, const Place& at, const float* taps,
                                       const float* from) {
  T* y = static_cast<T*>(p.y) + at.plane * p.out_h * p.out_w;
  constexpr int ROWS = G::radial_d ? G::FD : 1, STEP = G::radial_d ? G::DOWN : 1;
  for (int i = threadIdx.x; i < G::H * G::W; i += kThreads) {
    const int row = i / G::W, column = i % G::W;
    if (at.out_x + column >= p.out_w || at.out_y + row >= p.out_h) continue;
    const float* x = from + row * STEP * G::MID_W + column * G::DOWN;
    float sum = 0;
#pragma unroll 1
    for (int ky = 0; ky < ROWS; ++ky) {
#pragma unroll
      for (int kx = 0; kx < G::FD; ++kx) sum += taps[ky * G::FD + kx] * x[ky * G::MID_W + kx];
    }
    y[static_cast<int64_t>(at.out_y + row) * p.out_w + at.out_x + column] = store<T>(sum);
  }
}

template <typename T, typename G>
__global__ void __launch_bounds__(kThreads, 2) tile_kernel(FilteredLreluParams p, int64_t tiles, int tiles_x, int tiles_y) {
  CU_SHARED(float, taps_u, [G::SIZE_U]);
  CU_SHARED(float, taps_d, [G::SIZE_D]);
  CU_SHARED(float, in, [G::IN_H * G::IN_W]);
  CU_SHARED(Quad, scratch, [G::SCRATCH_H * G::MID_Q]);
  CU_SHARED(Quad, middle, [G::MID_H * G::MID_Q]);
  const Bend<float> bend(p.gain, p.slope, p.clamp);
  load_taps<G::SIZE_U, G::FU, G::radial_u>(p.u, taps_u);
  load_taps<G::SIZE_D, G::FD, G::radial_d>(p.d, taps_d);
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const Place at = place<G>(p, tile, tiles_x, tiles_y);
    load_input<T, G>(p, at, in);
    __syncthreads();
    if (G::radial_u) {
      upsample_radial<G>(p, bend, at, taps_u, in, middle);
    } else {
      upsample_x<G>(at, taps_u, in, &scratch[0][0]);
      __syncthreads();
      upsample_y<G>(p, bend, at, taps_u, scratch, middle);
    }
    __syncthreads();
    if (G::radial_d) {
      finish<T, G>(p, at, taps_d, &middle[0][0]);
    } else {
      downsample_y<G>(taps_d, middle, scratch);
      __syncthreads();
      finish<T, G>(p, at, taps_d, &scratch[0][0]);
    }
    __syncthreads();
  }
}

// Sample (mx, my) of the middle of one plane, before the non-linearity.
template <typename T>
__device__ __forceinline__ Compute<T> upsampled(const FilteredLreluParams& p, const T* x, Compute<T> bias, int mx, int my) {
  using C = Compute<T>;
  const int up = p.up, before_x = static_cast<int>(p.before_x), before_y = static_cast<int>(p.before_y);
  const int in_w = static_cast<int>(p.in_w), in_h = static_cast<int>(p.in_h);
  const int first_x = static_cast<int>(ceil_div(mx - before_x, up));
  C sum = 0;
#pragma unroll 1
  for (int y = static_cast<int>(ceil_div(my - before_y, up)); y * up - my + before_y < p.u.h; ++y) {
    if (y < 0 || y >= in_h) continue;
#pragma unroll 1
    for (int c = first_x; c * up - mx + before_x < p.u.w; ++c) {
      if (c < 0 || c >= in_w) continue;
      sum += p.u.at<C>(c * up - mx + before_x, y * up - my + before_y) *
             (load(x[static_cast<int64_t>(y) * in_w + c]) + bias);
    }
  }
  return sum;
}

// Four samples of the middle a thread: one byte of the mask.
template <typename T>
__global__ void __launch_bounds__(kThreads, 2) middle_kernel(FilteredLreluParams p) {
  using C = Compute<T>;
  const Bend<C> bend(p.gain, p.slope, p.clamp);
  const int64_t quads = (p.mid_w + 3) / 4, items = p.planes * p.mid_h * quads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < items;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const int64_t row = i / quads, plane = row / p.mid_h;
    const int first = static_cast<int>(i % quads) * 4, my = static_cast<int>(row % p.mid_h);
    const T* x = static_cast<const T*>(p.x) + plane * p.in_h * p.in_w;
    C* to = static_cast<C*>(p.middle) + row * p.mid_w;
    uint8_t* mask = p.mask + row * p.mask_w + first / 4;
    const C bias = p.b == nullptr ? C(0) : load(static_cast<const T*>(p.b)[plane % p.channels]);
    int byte = p.mode == BendMode::Masked ? *mask : 0;
#pragma unroll 1
    for (int j = 0; j < 4 && first + j < p.mid_w; ++j) {
      const C v = upsampled(p, x, bias, first + j, my);
      if (p.mode == BendMode::Masked) {
        to[first + j] = v * bend.slope(byte >> (2 * j));
      } else {
        byte |= bend.code(v, bend.unclamped(v)) << (2 * j);
        to[first + j] = bend.clamped(bend.unclamped(v));
      }
    }
    if (p.mode == BendMode::ValueAndMask) *mask = static_cast<uint8_t>(byte);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads, 2) result_kernel(FilteredLreluParams p) {
  using C = Compute<T>;
  const int64_t items = p.planes * p.out_h * p.out_w;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < items;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const int64_t mx = i % p.out_w * p.down + p.skip_x, my = i / p.out_w % p.out_h * p.down + p.skip_y;
    const C* plane = static_cast<const C*>(p.middle) + i / p.out_w / p.out_h * p.mid_h * p.mid_w;
    C sum = 0;
    for (int ky = 0; ky < p.d.h; ++ky) {
      if (my + ky < 0 || my + ky >= p.mid_h) continue;
      for (int kx = 0; kx < p.d.w; ++kx) {
        if (mx + kx < 0 || mx + kx >= p.mid_w) continue;
        sum += p.d.at<C>(kx, ky) * plane[(my + ky) * p.mid_w + mx + kx];
      }
    }
    static_cast<T*>(p.y)[i] = store<T>(sum);
  }
}

template <typename G>
bool matches(const FilteredLreluParams& p) {
  return p.up == G::UP && p.down == G::DOWN && p.u.w == G::FU && p.u.h == G::FU && p.d.w == G::FD && p.d.h == G::FD &&
         p.u.separable != G::radial_u && p.d.separable != G::radial_d;
}

// Calls f with the first of these kernels' sizes that serves p; false if there is none.
template <typename... G, typename F>
bool with_first(const FilteredLreluParams& p, const F& f) {
  return ((matches<G>(p) && (f(Type<G>{}), true)) || ...);
}

template <typename F>
bool with_strip(const FilteredLreluParams& p, const F& f) {
  return with_first<Strip<2, 2, 12, 12>, Strip<4, 2, 24, 12>, Strip<2, 4, 12, 24>>(p, f);
}

template <typename F>
bool with_tile(const FilteredLreluParams& p, const F& f) {
  return with_first<Tile<2, 2, 12, 12, false, true, 32, 16>, Tile<2, 2, 12, 12, true, false, 32, 16>,
                    Tile<4, 2, 24, 12, false, true, 32, 16>, Tile<2, 4, 12, 24, true, false, 16, 8>>(p, f);
}

// As many rows a warp as leave enough warps for a large GPU: each strip begins with rows that complete no output.
template <typename T, typename G>
void launch_strips(const FilteredLreluParams& p, void* stream) {
  constexpr int64_t kEnough = 4096, kFewestRows = 16;
  Strips strips;
  strips.across = static_cast<int>((p.out_w + G::W - 1) / G::W);
  const int64_t columns = p.planes * strips.across, most = p.out_h / kFewestRows, wanted = kEnough / columns;
  const int64_t parts = most < 1 || wanted < 1 ? 1 : most < wanted ? most : wanted;
  strips.rows = static_cast<int>((p.out_h + parts - 1) / parts);
  strips.along = static_cast<int>((p.out_h + strips.rows - 1) / strips.rows);
  strips.count = columns * strips.along;
  strips.paired = p.out_w % 2 == 0 && aligned(p.y, 2 * sizeof(T));
  CU_LAUNCH((strip_kernel<T, G>), grid_size(strips.count, kStripWarps), kStripWarps * kWarp, 0, stream, p, strips);
}

template <typename T, typename G>
void launch_tiles(const FilteredLreluParams& p, void* stream) {
  const int tiles_x = static_cast<int>((p.out_w + G::W - 1) / G::W);
  const int tiles_y = static_cast<int>((p.out_h + G::H - 1) / G::H);
  const int64_t tiles = p.planes * tiles_x * tiles_y;
  CU_LAUNCH((tile_kernel<T, G>), grid_size(tiles, 1), kThreads, 0, stream, p, tiles, tiles_x, tiles_y);
}

template <typename T>
void launch_plain(const FilteredLreluParams& p, void* stream) {
  const unsigned quads = grid_size(p.planes * p.mid_h * ((p.mid_w + 3) / 4), kThreads, 1 << 16);
  CU_LAUNCH((middle_kernel<T>), quads, kThreads, 0, stream, p);
  CU_LAUNCH((result_kernel<T>), grid_size(p.planes * p.out_h * p.out_w, kThreads, 1 << 16), kThreads, 0, stream, p);
}

}  // namespace

bool filtered_lrelu_fits(Dtype dtype, const FilteredLreluParams& p) {
  const auto fits = [](auto) {};
  return dtype != Dtype::Float64 && (with_strip(p, fits) || with_tile(p, fits));
}

int filtered_lrelu_cuda(Dtype dtype, const FilteredLreluParams& p, void* stream) {
  return dispatch(dtype, [&](auto t) {
    using T = typename decltype(t)::type;
    bool done = false;
    if constexpr (sizeof(T) < sizeof(double)) {
      done = with_strip(p, [&](auto g) { launch_strips<T, typename decltype(g)::type>(p, stream); }) ||
             with_tile(p, [&](auto g) { launch_tiles<T, typename decltype(g)::type>(p, stream); });
    }
    if (!done) launch_plain<T>(p, stream);
    return launch_status();
  });
}

}  // namespace gan
