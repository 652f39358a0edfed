// filtered_lrelu on CUDA with separable filters: a warp marches down a strip of a plane, and what lies between input
// and result stays in its registers.
//
// A lane owns four columns of the middle. Of these it holds the rows of the input that the next rows of the middle
// see, upsampled along x, and sums for the rows of the result that are not complete yet. A step reads IN rows of the
// input, makes L rows of the middle and completes OUT rows of the result. Lanes exchange through shared memory what
// the filters along x need: samples of the input, and rows that are downsampled along y. No row is made twice within
// a strip, and no warp waits for another one.
//
// Where the middle lies between the samples of the input is known at run time only. So that registers are indexed
// by constants all the same, the taps are shifted by that phase when they are loaded, with zeros around them.
#pragma once

#include "cuda_common.h"
#include "filtered_lrelu.h"
#include "store_at_once.h"

namespace gan {
namespace {

constexpr int kWarp = 32, kStripWarps = 4;
using Quad = Vec<float, 4>;

// Factors and taps; all else follows.
template <int UP_, int DOWN_, int FU_, int FD_>
struct Strip {
  static constexpr int UP = UP_, DOWN = DOWN_, FU = FU_, FD = FD_;
  static constexpr int W = (4 * kWarp - FD) / DOWN;           // outputs along x
  static constexpr int L = UP > DOWN ? UP : DOWN;             // rows of the middle in a step
  static constexpr int IN = L / UP, OUT = L / DOWN;           // rows of the input and of the result in a step
  static constexpr int STEPS = 8 / L;                         // that the loop is unrolled by
  static constexpr int SPAN = (FU + UP + 1) / UP + 1;         // samples that a lane's columns see, at any phase
  static constexpr int ROWS = (FU + UP + L - 3) / UP + 1;     // rows of the input that a step sees, at any phase
  static constexpr int SUMS = FD / DOWN;                      // rows of the result that a row of the middle meets
  static constexpr int EACH = 4 / DOWN;                       // outputs along x of a lane
  static constexpr int V = 4 / UP;                            // samples from one lane to the next
  static constexpr int IN_W = (kWarp - 1) * V + SPAN;         // samples that a warp sees
  static constexpr int PIECES = (IN_W + kWarp - 1) / kWarp;   // samples that a lane reads
  static constexpr int QUADS = ((EACH - 1) * DOWN + FD + 3) / 4;  // that a lane's outputs see
  static constexpr bool radial_u = false, radial_d = false;
  static_assert(4 % UP == 0 && FD % DOWN == 0 && IN_W % V == 0 && SPAN % V == 0, "");
  static_assert(W * DOWN % 4 == 0 && W % EACH == 0 && L % UP == 0 && L % DOWN == 0 && STEPS % 2 == 0, "");
};

// Warps of a launch; rows of the result that one of them makes.
struct Strips {
  int across, along, rows;
  int64_t count;
  bool paired;  // two outputs side by side may be stored at once
};

// Where a warp works: outputs out_x.. x out_y..end_y; `middle` and `in` begin at lane 0.
struct Span {
  int64_t plane;
  int out_x, out_y, end_y, middle_x, middle_y, in_x, in_y, phase_x, phase_y;
  bool last_x, last_y;
};

template <typename G>
__device__ __forceinline__ Span span(const FilteredLreluParams& p, const Strips& strips, int64_t item) {
  Span at;
  const int tx = static_cast<int>(item % strips.across), ty = static_cast<int>(item / strips.across % strips.along);
  at.plane = item / strips.across / strips.along;
  at.last_x = tx == strips.across - 1, at.last_y = ty == strips.along - 1;
  at.out_x = tx * G::W, at.out_y = ty * strips.rows;
  at.end_y = at.last_y ? static_cast<int>(p.out_h) : at.out_y + strips.rows;
  at.middle_x = at.out_x * G::DOWN + static_cast<int>(p.skip_x);
  at.middle_y = at.out_y * G::DOWN + static_cast<int>(p.skip_y);
  const int x = at.middle_x - static_cast<int>(p.before_x), y = at.middle_y - static_cast<int>(p.before_y);
  at.in_x = static_cast<int>(floor_div(x, G::UP)), at.in_y = static_cast<int>(floor_div(y, G::UP));
  at.phase_x = x - at.in_x * G::UP, at.phase_y = y - at.in_y * G::UP;
  return at;
}

// Rows of the input on their way from memory: read a step before they are needed.
template <typename T, typename G>
struct Ahead {
  const T* x;  // sample that the lane reads first of the next row
  float bias;
  int row, in_h, in_w;
  bool inside[G::PIECES], row_inside[G::IN];
  T value[G::IN][G::PIECES];

  __device__ __forceinline__ Ahead(const FilteredLreluParams& p, const Span& at, int lane)
      : bias(p.b == nullptr ? 0.0f : load(static_cast<const T*>(p.b)[at.plane % p.channels])),
        row(at.in_y),
        in_h(static_cast<int>(p.in_h)),
        in_w(static_cast<int>(p.in_w)) {
    x = static_cast<const T*>(p.x) + (at.plane * in_h + row) * in_w + at.in_x + lane;
#pragma unroll
    for (int i = 0; i < G::PIECES; ++i) {
      const int column = lane + kWarp * i;
      inside[i] = column < G::IN_W && at.in_x + column >= 0 && at.in_x + column < in_w;
    }
  }

  __device__ __forceinline__ void read(int t) {
    row_inside[t] = row >= 0 && row < in_h;
#pragma unroll
    for (int i = 0; i < G::PIECES; ++i) {
      value[t][i] = row_inside[t] && inside[i] ? x[kWarp * i] : store<T>(0.0f);
    }
    ++row, x += in_w;
  }

  __device__ __forceinline__ void put(int t, float* to, int lane) const {
#pragma unroll
    for (int i = 0; i < G::PIECES; ++i) {
      if (lane + kWarp * i >= G::IN_W) continue;
      to[lane + kWarp * i] = row_inside[t] && inside[i] ? load(value[t][i]) + bias : 0.0f;
    }
  }
};

// Bytes of the mask on their way from memory. A lane's columns lie in two of them, `shift` bits from the first.
template <typename G>
struct Codes {
  const uint8_t* at;
  int row, mid_h, mask_w, shift;
  bool inside[2];
  int value[2][G::L];

  __device__ __forceinline__ Codes(const FilteredLreluParams& p, const Span& span, int lane)
      : row(span.middle_y), mid_h(static_cast<int>(p.mid_h)), mask_w(static_cast<int>(p.mask_w)) {
    const int x = span.middle_x + 4 * lane, byte = static_cast<int>(floor_div(x, 4));
    at = p.mask + (span.plane * mid_h + row) * mask_w + byte;
    shift = 2 * (x - 4 * byte);
    inside[0] = byte >= 0 && byte < mask_w, inside[1] = byte + 1 >= 0 && byte + 1 < mask_w;
  }

  // Of the next L rows.
  __device__ __forceinline__ void read() {
#pragma unroll
    for (int j = 0; j < G::L; ++j, ++row, at += mask_w) {
      const bool row_inside = row >= 0 && row < mid_h;
#pragma unroll
      for (int k = 0; k < 2; ++k) value[k][j] = row_inside && inside[k] ? at[k] : 0;
    }
  }

  __device__ __forceinline__ int of(int j) const { return (value[0][j] | value[1][j] << 8) >> shift; }
};

// A lane's columns of a row of the input, upsampled along x: `in` is the first sample that they see.
template <typename G>
__device__ __forceinline__ Quad upsample_along(const Vec<float, G::V>* in, const Quad* taps) {
  Quad sum = {};
#pragma unroll
  for (int s = 0; s < G::SPAN; s += G::V) {
    const Vec<float, G::V> x = in[s / G::V];
#pragma unroll
    for (int i = 0; i < G::V; ++i) {
      const Quad tap = taps[s + i];
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const int k = (s + i) * G::UP - c;  // less the phase
        if (k >= 0 && k - (G::UP - 1) < G::FU) sum[c] += tap[c] * x[i];
      }
    }
  }
  return sum;
}

// Row j of the middle in a step that sees `rows` of the input.
template <typename G>
__device__ __forceinline__ Quad upsample_down(int j, const Quad* rows, const float* taps) {
  Quad sum = {};
#pragma unroll
  for (int s = 0; s < G::ROWS; ++s) {
    const int k = s * G::UP - j;  // less the phase
    if (k < 0 || k - (G::UP - 1) >= G::FU) continue;
#pragma unroll
    for (int c = 0; c < 4; ++c) sum[c] += taps[k] * rows[s][c];
  }
  return sum;
}

// The non-linearity or the mask on a lane's columns of a row; their codes are in `byte`, or put there to be kept.
__device__ __forceinline__ void bend_row(const FilteredLreluParams& p, const Bend<float>& bend, Quad& v, int& byte) {
  if (p.mode == BendMode::Masked) {
#pragma unroll
    for (int c = 0; c < 4; ++c) v[c] *= bend.slope(byte >> (2 * c));
    return;
  }
  if (p.mode == BendMode::ValueAndMask) {
    byte = 0;
#pragma unroll
    for (int c = 0; c < 4; ++c) byte |= bend.code(v[c], bend.unclamped(v[c])) << (2 * c);
  }
#pragma unroll
  for (int c = 0; c < 4; ++c) v[c] = bend.clamped(bend.unclamped(v[c]));
}

// A lane's outputs of a row that is downsampled along y.
template <typename T, typename G>
__device__ __forceinline__ void downsample_along(T* y, bool paired, int outputs, const Quad* row, const float* taps) {
  Quad x[G::QUADS];
#pragma unroll
  for (int q = 0; q < G::QUADS; ++q) x[q] = row[q];
  float sum[G::EACH] = {};
#pragma unroll
  for (int e = 0; e < G::EACH; ++e) {
#pragma unroll
    for (int k = 0; k < G::FD; ++k) sum[e] += taps[k] * x[(e * G::DOWN + k) / 4][(e * G::DOWN + k) % 4];
  }
  if (G::EACH == 2 && paired) {
    store_at_once(y, Vec<T, 2>{store<T>(sum[0]), store<T>(sum[G::EACH - 1])});
    return;
  }
#pragma unroll
  for (int e = 0; e < G::EACH; ++e) {
    if (e < outputs) y[e] = store<T>(sum[e]);
  }
}

template <typename T, typename G>
__global__ void __launch_bounds__(kStripWarps* kWarp, 3) strip_kernel(FilteredLreluParams p, Strips strips) {
  using Samples = Vec<float, G::V>;
  CU_SHARED(Quad, taps_x, [kStripWarps][G::SPAN]);
  CU_SHARED(Samples, inputs, [kStripWarps][2][G::IN][G::IN_W / G::V]);
  CU_SHARED(Quad, narrow, [kStripWarps][2][G::OUT][kWarp]);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int64_t item = static_cast<int64_t>(blockIdx.x) * kStripWarps + warp;
  if (item >= strips.count) return;
  const Span at = span<G>(p, strips, item);
  const Bend<float> bend(p.gain, p.slope, p.clamp);
  for (int i = lane; i < 4 * G::SPAN; i += kWarp) {
    const int k = i / 4 * G::UP - i % 4 - at.phase_x;
    taps_x[warp][i / 4][i % 4] = k >= 0 && k < G::FU ? p.u.along(k) : 0.0f;
  }
  float up[G::FU + G::UP - 1], down[G::FD];
#pragma unroll
  for (int i = 0; i < G::FU + G::UP - 1; ++i) {
    const int k = i - at.phase_y;
    up[i] = k >= 0 && k < G::FU ? p.u.along(k) : 0.0f;
  }
#pragma unroll
  for (int k = 0; k < G::FD; ++k) down[k] = p.d.along(k);

  const int mid_w = static_cast<int>(p.mid_w), mid_h = static_cast<int>(p.mid_h);
  const int middle_x = at.middle_x + 4 * lane;
  const bool owned = (4 * lane < G::W * G::DOWN || at.last_x) && middle_x < mid_w;
  const int owned_y = at.last_y ? mid_h : at.middle_y + strips.rows * G::DOWN;
  const int left = static_cast<int>(p.out_w) - at.out_x - lane * G::EACH;  // outputs from the lane's first one on
  const bool has_outputs = lane * G::EACH < G::W && left > 0;
  bool inside[4];
  int inside_bits = 0;
#pragma unroll
  for (int c = 0; c < 4; ++c) {
    inside[c] = middle_x + c >= 0 && middle_x + c < mid_w;
    inside_bits |= inside[c] ? 3 << (2 * c) : 0;
  }
  uint8_t* const mask = p.mask + at.plane * p.mid_h * p.mask_w + middle_x / 4;
  T* const y = static_cast<T*>(p.y) + at.plane * p.out_h * p.out_w + at.out_x + lane * G::EACH;

  Ahead<T, G> ahead(p, at, lane);
  Codes<G> codes(p, at, lane);
  Quad rows[G::ROWS - G::IN + G::STEPS * G::IN] = {}, sums[G::SUMS - 1 + G::STEPS * G::OUT] = {};
  ahead.read(0);
#pragma unroll 1
  for (int i = 0; i < G::ROWS - G::IN; ++i) {
    ahead.put(0, &inputs[warp][i % 2][0][0][0], lane);
    if (i + 1 < G::ROWS - G::IN) ahead.read(0);
    __syncwarp();
#pragma unroll
    for (int s = 0; s + 1 < G::ROWS - G::IN; ++s) rows[s] = rows[s + 1];
    rows[G::ROWS - G::IN - 1] = upsample_along<G>(&inputs[warp][i % 2][0][lane], taps_x[warp]);
  }
  __syncwarp();
#pragma unroll
  for (int t = 0; t < G::IN; ++t) ahead.read(t);
  if (p.mode == BendMode::Masked) codes.read();

  int m = at.middle_y;                                  // row of the middle
  int o = at.out_y - (G::SUMS - 1) - G::OUT;            // row of the result that the step before completed
  const int end_y = at.end_y;
#pragma unroll 1
  while (o < end_y) {
#pragma unroll
    for (int step = 0; step < G::STEPS; ++step) {
#pragma unroll
      for (int t = 0; t < G::IN; ++t) {
        ahead.put(t, &inputs[warp][step % 2][t][0][0], lane);
        ahead.read(t);
      }
      int bytes[G::L] = {};
      if (p.mode == BendMode::Masked) {
#pragma unroll
        for (int j = 0; j < G::L; ++j) bytes[j] = codes.of(j);
        codes.read();
      }
      __syncwarp();
#pragma unroll
      for (int t = 0; t < G::IN; ++t) {
        rows[G::ROWS - G::IN + step * G::IN + t] = upsample_along<G>(&inputs[warp][step % 2][t][lane], taps_x[warp]);
      }
#pragma unroll
      for (int g = 0; g < G::OUT; ++g, ++o) {  // of the step before
        if (!has_outputs || o < at.out_y || o >= end_y) continue;
        downsample_along<T, G>(y + static_cast<int64_t>(o) * p.out_w, strips.paired, left,
                               &narrow[warp][1 - step % 2][g][lane], down);
      }
#pragma unroll
      for (int j = 0; j < G::L; ++j, ++m) {
        Quad* const met = sums + step * G::OUT + j / G::DOWN;  // the last of them for the first time
        if (j % G::DOWN == 0) met[G::SUMS - 1] = Quad{};
        if (m >= 0 && m < mid_h) {
          Quad v = upsample_down<G>(j, rows + step * G::IN, up);
          bend_row(p, bend, v, bytes[j]);
          if (p.mode == BendMode::ValueAndMask && owned && m < owned_y) {
            mask[static_cast<int64_t>(m) * p.mask_w] = static_cast<uint8_t>(bytes[j] & inside_bits);
          }
#pragma unroll
          for (int i = 0; i < G::SUMS; ++i) {
            const float tap = down[j % G::DOWN + G::DOWN * (G::SUMS - 1 - i)];
#pragma unroll
            for (int c = 0; c < 4; ++c) met[i][c] += tap * v[c];
          }
        }
        if (j % G::DOWN == G::DOWN - 1) {
          Quad complete;
#pragma unroll
          for (int c = 0; c < 4; ++c) complete[c] = inside[c] ? met[0][c] : 0.0f;
          narrow[warp][step % 2][j / G::DOWN][lane] = complete;
        }
      }
    }
#pragma unroll
    for (int s = 0; s < G::ROWS - G::IN; ++s) rows[s] = rows[s + G::STEPS * G::IN];
#pragma unroll
    for (int s = 0; s < G::SUMS - 1; ++s) sums[s] = sums[s + G::STEPS * G::OUT];
  }
}

}  // namespace
}  // namespace gan
