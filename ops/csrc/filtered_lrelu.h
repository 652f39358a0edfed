// filtered_lrelu: upsample, leaky ReLU, gain, clamp, downsample, with the upsampled signal never in memory.
//
// Per axis, with correlation taps u and d (`Taps`), z = x with up - 1 zeros after every sample, zero elsewhere:
//   middle[m] = bend(sum_k u[k] z[m + k - before]),  0 <= m < mid, zero elsewhere
//   y[o]      = sum_k d[k] middle[o * down + k + skip]
// The transpose of the whole, for a fixed mask, has the same form: u and d change places and are reversed, up
// and down change places, before' = skip + taps(d) - 1, skip' = before - (taps(u) - 1).
#pragma once

#include <cstdint>

#include "dtype.h"

namespace gan {

// Taps in the order in which they meet the samples. A 1-D filter serves both axes.
struct Taps {
  const float* f;  // null: a single 1
  int w, h;
  bool separable, flip;
  float gain;  // per axis where separable

  // Rounded to float32, like the filters themselves.
  GAN_HD float along(int k) const { return f == nullptr ? gain : f[flip ? k : w - 1 - k] * gain; }
  // In arithmetic type C.
  template <typename C>
  GAN_HD C at(int kx, int ky) const {
    if (separable) return C(along(kx)) * C(along(ky));
    return C(f[(flip ? ky : h - 1 - ky) * w + (flip ? kx : w - 1 - kx)] * gain);
  }
};

enum class BendMode : int { Value = 0, ValueAndMask = 1, Masked = 2 };

struct FilteredLreluParams {
  const void *x, *b;  // b: [channels] or null
  void* y;
  uint8_t* mask;  // [planes, mid_h, mask_w]: two bits per sample, in an order private to the device
  void* middle;   // [planes, mid_h, mid_w] in the type of arithmetic; for sizes without a fused CUDA kernel only
  int64_t planes, channels;
  int64_t in_w, in_h, mid_w, mid_h, out_w, out_h, mask_w;
  int64_t before_x, before_y, skip_x, skip_y;
  int up, down;
  Taps u, d;
  BendMode mode;
  double gain, slope, clamp;  // clamp: infinity for none
};

// Bytes of a row of the mask: four samples each, in phases of lcm(up, down).
inline int64_t mask_width(int64_t mid_w, int64_t phases) {
  return ((mid_w + phases - 1) / phases * phases + 3) / 4;
}

// Leaky ReLU, gain and clamp, without branches. Bit 0 of a code: not positive; bit 1: clamped.
template <typename C>
struct Bend {
  C positive, negative, limit;

  GAN_HD Bend(double gain, double slope, double clamp)
      : positive(C(gain)), negative(C(gain * slope)), limit(C(clamp)) {}

  GAN_HD C unclamped(C v) const { return v * (v > 0 ? positive : negative); }
  GAN_HD C clamped(C y) const {
    y = y < -limit ? -limit : y;
    return y > limit ? limit : y;
  }
  GAN_HD int code(C v, C y) const { return int(!(v > 0)) | (int(y < -limit) | int(y > limit)) << 1; }
  GAN_HD C slope(int code) const {
    const C kept = code & 1 ? negative : positive;
    return code & 2 ? C(0) : kept;
  }
};

GAN_HD int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
GAN_HD int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

// Is there a fused CUDA kernel? Otherwise `middle` must be given.
bool filtered_lrelu_fits(Dtype dtype, const FilteredLreluParams& p);

// Launches on `stream`; returns the cudaError_t.
int filtered_lrelu_cuda(Dtype dtype, const FilteredLreluParams& p, void* stream);

}  // namespace gan
