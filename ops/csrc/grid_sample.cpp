// grid_sample on the CPU, and the binding of both devices.
#include "grid_sample.h"

#include <algorithm>

#include "common.h"

namespace gan {
namespace {

#if !defined(GAN_CUDA)
constexpr int64_t kRun = 128;  // output pixels whose places are computed together

// Where `count` consecutive output pixels are taken from: index of the four pixels in their plane, and weights.
template <typename C>
struct Run {
  int32_t at[4][kRun];
  C weight[4][kRun];
  C least[kRun];  // the smaller coordinate in pixels
  int64_t count;

  Run(const C* grid, int64_t count, int h, int w) : count(count) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const C x = place(grid[2 * i], w), y = place(grid[2 * i + 1], h);
      const C left = floor(x), right = left + C(1), top = floor(y), bottom = top + C(1);
      const C left_share = share(x, left, w), right_share = share(x, right, w);
      const C top_share = share(y, top, h), bottom_share = share(y, bottom, h);
      const int upper = int(nearest(top, h)) * w, lower = int(nearest(bottom, h)) * w;
      at[0][i] = upper + int(nearest(left, w)), weight[0][i] = top_share * left_share;
      at[1][i] = upper + int(nearest(right, w)), weight[1][i] = top_share * right_share;
      at[2][i] = lower + int(nearest(left, w)), weight[2][i] = bottom_share * left_share;
      at[3][i] = lower + int(nearest(right, w)), weight[3][i] = bottom_share * right_share;
      least[i] = x < y ? x : y;
    }
  }

  // Is any of the four in the image?
  bool used(int64_t i) const { return least[i] >= C(-1); }
};

template <typename T, typename C>
void gather_plane(const Run<C>& run, const T* x, T* y) {
#pragma omp simd
  for (int64_t i = 0; i < run.count; ++i) {
    const C top = run.weight[0][i] * C(x[run.at[0][i]]) + run.weight[1][i] * C(x[run.at[1][i]]);
    const C bottom = run.weight[2][i] * C(x[run.at[2][i]]) + run.weight[3][i] * C(x[run.at[3][i]]);
    y[i] = T(run.used(i) ? top + bottom : C(0));
  }
}

// Pixels whose `channels` values lie side by side.
template <typename T, typename C>
void gather_pixels(const Run<C>& run, const T* x, T* y, int64_t channels) {
  for (int64_t i = 0; i < run.count; ++i, y += channels) {
    if (!run.used(i)) {
      std::fill(y, y + channels, T(C(0)));
      continue;
    }
    const C w0 = run.weight[0][i], w1 = run.weight[1][i], w2 = run.weight[2][i], w3 = run.weight[3][i];
    const T *x0 = x + run.at[0][i] * channels, *x1 = x + run.at[1][i] * channels;
    const T *x2 = x + run.at[2][i] * channels, *x3 = x + run.at[3][i] * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) y[c] = T(w0 * C(x0[c]) + w1 * C(x1[c]) + (w2 * C(x2[c]) + w3 * C(x3[c])));
  }
}

// Few planes at a time, so that they stay in the cache.
int64_t channel_block(const GridSampleParams& p, int64_t side_by_side) {
  return std::min<int64_t>(p.channels_last ? side_by_side : 4, p.c);
}

template <typename T>
void forward(const GridSampleParams& p) {
  using C = Compute<T>;
  const int64_t area = p.h * p.w, pixels = p.ho * p.wo, runs = (pixels + kRun - 1) / kRun;
  const int64_t block = channel_block(p, p.c), blocks = (p.c + block - 1) / block;
  parallel(p.n * blocks * runs, 4 * kRun * block, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / (blocks * runs), channel = task / runs % blocks * block;
      const int64_t first = task % runs * kRun, count = std::min(kRun, pixels - first);
      const Run<C> run(static_cast<const C*>(p.grid) + (n * pixels + first) * 2, count, int(p.h), int(p.w));
      const T* x = static_cast<const T*>(p.from) + n * p.c * area;
      T* y = static_cast<T*>(p.to) + n * p.c * pixels;
      if (p.channels_last) {
        gather_pixels(run, x, y + first * p.c, p.c);
      } else {
        for (int64_t c = channel; c < std::min(channel + block, p.c); ++c) {
          gather_plane(run, x + c * area, y + c * pixels + first);
        }
      }
    }
  });
}

// dx[pixel * pixel_step + channel * channel_step] for some channels of an image.
template <typename C>
struct Sums {
  C* data;
  int64_t pixel_step, channel_step;
};

template <typename T, typename C>
void scatter_plane(const Run<C>& run, const T* dy, C* dx) {
  for (int64_t i = 0; i < run.count; ++i) {
    if (!run.used(i)) continue;
    const C d = C(dy[i]);
    for (int k = 0; k < 4; ++k) dx[run.at[k][i]] += run.weight[k][i] * d;
  }
}

template <typename T, typename C>
void scatter_pixels(const Run<C>& run, const T* dy, int64_t dy_step, const Sums<C>& dx, int64_t channels) {
  for (int64_t i = 0; i < run.count; ++i, dy += dy_step) {
    if (!run.used(i)) continue;
    for (int k = 0; k < 4; ++k) {
      const C weight = run.weight[k][i];
      C* to = dx.data + run.at[k][i] * dx.pixel_step;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) to[c] += weight * C(dy[c]);
    }
  }
}

// Channels [first, first + count) of dx of image n. The output pixels come in order, so the sums are the same on
// any number of threads.
template <typename T>
void scatter(const GridSampleParams& p, int64_t n, int64_t first, int64_t count) {
  using C = Compute<T>;
  constexpr bool kDirect = std::is_same_v<T, C>;
  const int64_t area = p.h * p.w, pixels = p.ho * p.wo;
  T* out = static_cast<T*>(p.to) + n * p.c * area + first * (p.channels_last ? 1 : area);
  const int64_t out_pixel = p.channels_last ? p.c : 1, out_channel = p.channels_last ? 1 : area;
  std::vector<C> buffer(kDirect ? 0 : area * count);
  Sums<C> sums{buffer.data(), p.channels_last ? count : 1, out_channel};
  if constexpr (kDirect) sums = {out, out_pixel, out_channel};
  auto each = [&](auto f) {
    const int64_t outer = p.channels_last ? area : count, inner = p.channels_last ? count : area;
    const int64_t step = p.channels_last ? sums.pixel_step : area, out_step = p.channels_last ? p.c : area;
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) f(out[o * out_step + i], sums.data[o * step + i]);
  };
  if (kDirect) each([](T&, C& sum) { sum = C(0); });
  const T* dy = static_cast<const T*>(p.from) + n * p.c * pixels + first * (p.channels_last ? 1 : pixels);
  for (int64_t start = 0; start < pixels; start += kRun) {
    const int64_t length = std::min(kRun, pixels - start);
    const Run<C> run(static_cast<const C*>(p.grid) + (n * pixels + start) * 2, length, int(p.h), int(p.w));
    if (p.channels_last) {
      scatter_pixels(run, dy + start * p.c, p.c, sums, count);
    } else {
      for (int64_t c = 0; c < count; ++c) scatter_plane(run, dy + c * pixels + start, sums.data + c * area);
    }
  }
  if (!kDirect) each([](T& to, C& sum) { to = T(sum); });
}

template <typename T>
void adjoint(const GridSampleParams& p) {
  const int64_t block = channel_block(p, 32), blocks = (p.c + block - 1) / block;
  parallel(p.n * blocks, 4 * block * std::max(p.ho * p.wo, p.h * p.w), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % blocks * block;
      scatter<T>(p, task / blocks, first, std::min(block, p.c - first));
    }
  });
}
#endif

void launch(const Tensor& like, const GridSampleParams& p) {
  if (p.n * p.c * p.h * p.w == 0 || (!p.adjoint && p.ho * p.wo == 0)) return;
#if defined(GAN_CUDA)
  on_stream(like, "grid_sample", [&](void* stream) { return grid_sample_cuda(dtype_of(like), p, stream); });
#else
  dispatch(dtype_of(like), [&](auto zero) {
    using T = decltype(zero);
    p.adjoint ? adjoint<T>(p) : forward<T>(p);
  });
#endif
}

// Checks, and everything that forward map and adjoint have in common. `image` is dense, `grid` contiguous.
GridSampleParams shape(const Tensor& image, const Tensor& grid, int64_t h, int64_t w, bool adjoint) {
  STD_TORCH_CHECK(image.dim() == 4, "the image must be [N, C, H, W]");
  STD_TORCH_CHECK(grid.dim() == 4 && grid.size(0) == image.size(0) && grid.size(3) == 2,
                  "grid must be [", image.size(0), ", Ho, Wo, 2]");
  const Dtype wanted = dtype_of(image) == Dtype::Float64 ? Dtype::Float64 : Dtype::Float32;
  STD_TORCH_CHECK(dtype_of(grid) == wanted, "grid must be float32, or float64 for a float64 image");
  check_same_device(image, grid, "grid");
  STD_TORCH_CHECK(h > 0 && w > 0 && h * w < 0x7fffffff, "images of 1 to 2^31 - 2 pixels, got ", h, " x ", w);
  GridSampleParams p{};
  p.from = image.data_ptr(), p.grid = grid.data_ptr();
  p.n = image.size(0), p.c = image.size(1), p.h = h, p.w = w, p.ho = grid.size(1), p.wo = grid.size(2);
  p.channels_last = layout_of(image) == Layout::ChannelsLast, p.adjoint = adjoint;
  return p;
}

Tensor grid_sample(Tensor x, Tensor grid) {
  x = dense(x), grid = torch::stable::contiguous(grid);
  STD_TORCH_CHECK(x.dim() == 4, "x must be [N, C, H, W]");
  GridSampleParams p = shape(x, grid, x.size(2), x.size(3), false);
  Tensor y = empty4(x, p.n, p.c, p.ho, p.wo, layout_of(x));
  p.to = y.data_ptr();
  launch(x, p);
  return y;
}

Tensor grid_sample_dx(Tensor dy, Tensor grid, int64_t h, int64_t w) {
  dy = dense(dy), grid = torch::stable::contiguous(grid);
  GridSampleParams p = shape(dy, grid, h, w, true);
  STD_TORCH_CHECK(dy.size(2) == p.ho && dy.size(3) == p.wo, "dy must have the height and width of grid");
  Tensor dx = empty4(dy, p.n, p.c, h, w, layout_of(dy));
  p.to = p.sums = dx.data_ptr();
#if defined(GAN_CUDA)
  Tensor sums;
  if (dtype_of(dy) != dtype_of(grid)) {
    const std::vector<int64_t> size = {p.n * p.c * h * w};
    sums = torch::stable::empty(size, grid.scalar_type(), std::nullopt, dy.device());
    p.sums = sums.data_ptr();
  }
#endif
  launch(dy, p);
  return dx;
}

}  // namespace

GAN_SCHEMAS(m) {
  m.def("grid_sample(Tensor x, Tensor grid) -> Tensor");
  m.def("grid_sample_dx(Tensor dy, Tensor grid, SymInt height, SymInt width) -> Tensor");
}

GAN_KERNELS(m) {
  m.impl("grid_sample", TORCH_BOX(&grid_sample));
  m.impl("grid_sample_dx", TORCH_BOX(&grid_sample_dx));
}

}  // namespace gan
