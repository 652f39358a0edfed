// scale_bias_act: y = clamp(gain * act(x * scale[n, c] + noise[n, pixel] + b[c])), what follows the convolution of
// a modulated layer, and its derivative with all its sums in the same pass.
#pragma once

#include "bias_act.h"

namespace gan {

// x, dy, y: [n, channels, pixels], or [n, pixels, channels] where `channels_last`.
struct ScaleBiasActParams {
  const void *x, *dy;      // dy: null for the forward pass
  const void *scale, *b;   // [n, channels], [channels]
  const void* noise;       // [n, pixels], or [pixels] where noise_stride is 0; null for none
  void* y;                 // forward: the result.  backward: dx
  void *dscale, *db;       // backward: [n, channels] in arithmetic type: sums over pixels of g * x and of g
  void* dnoise;            // backward: [n, pixels] in arithmetic type: sums over channels of g; null for none
  void* slab_sums;         // CUDA, backward in channels_last: scratch [slabs, 2, n, channels] in arithmetic type
  int64_t n, channels, pixels, noise_stride, slabs;
  bool channels_last;
  int act;
  double alpha, gain, clamp;  // clamp < 0: none
};

// The value before the activation, and g = dy * (d y / d that value).
template <int A, typename C>
struct ScaleBiasAct {
  BiasAct<A, C> f;

  GAN_HD C before(C x, C scale, C noise, C b) const { return x * scale + (noise + b); }
  GAN_HD C value(C x, C scale, C noise, C b) const { return f.value(before(x, scale, noise, b)); }
  GAN_HD C g(C dy, C x, C scale, C noise, C b) const {
    const C v = before(x, scale, noise, b);
    return f.dx(dy, A == Swish ? v : f.value(v));
  }
};

int scale_bias_act_cuda(Dtype dtype, const ScaleBiasActParams& p, void* stream);

}  // namespace gan
