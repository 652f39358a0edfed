// bias_act: y = clamp(gain * act(x + b)), its derivative, and the derivative of that; per element.
//
// `ref` is what the derivative is computed from: y for every activation but swish, whose slope needs x + b.
#pragma once

#include <cmath>
#include <cstdint>

#include "dtype.h"

namespace gan {

using std::exp;
using std::expm1;
using std::log1p;
using std::tanh;

// The order of ACTIVATIONS in ops/bias_act.py.
enum Act : int { Linear, Relu, Lrelu, Tanh, Sigmoid, Elu, Selu, Softplus, Swish };
constexpr int kActs = 9;
constexpr double kSeluScale = 1.0507009873554804934, kSeluAlpha = 1.6732632423543772848;

enum BiasActOrder : int { Value = 0, Slope = 1, Bend = 2 };

// Tensors seen as [outer, channels, inner] in memory order; b runs along channels, null for none.
struct BiasActParams {
  const void *x, *dy, *ref, *b;  // x: Value.  dy, ref: Slope.  dy, ref, x (the tangent of dx): Bend.
  void* y;
  int64_t outer, channels, inner;
  int act, order;
  double alpha, gain, clamp;  // clamp < 0: none
};

template <int A, typename C>
struct BiasAct {
  C alpha, gain, inverse_gain, limit;
  bool clamps;

  GAN_HD BiasAct(double alpha, double gain, double clamp)
      : alpha(C(alpha)), gain(C(gain)), inverse_gain(gain == 0 ? C(0) : C(1 / gain)), limit(C(clamp)),
        clamps(clamp >= 0) {}

  GAN_HD static C sigmoid(C x) { return C(1) / (C(1) + exp(-x)); }

  GAN_HD C act(C x) const {
    if (A == Relu) return x > 0 ? x : C(0);
    if (A == Lrelu) return x > 0 ? x : x * alpha;
    if (A == Tanh) return tanh(x);
    if (A == Sigmoid) return sigmoid(x);
    if (A == Elu) return x > 0 ? x : expm1(x);
    if (A == Selu) return C(kSeluScale) * (x > 0 ? x : C(kSeluAlpha) * expm1(x));
    if (A == Softplus) return x > 20 ? x : log1p(exp(x));
    if (A == Swish) return x * sigmoid(x);
    return x;
  }

  // d act / dx from u = act(x) (swish: from x).
  GAN_HD C slope(C u) const {
    if (A == Relu) return u > 0 ? C(1) : C(0);
    if (A == Lrelu) return u > 0 ? C(1) : alpha;
    if (A == Tanh) return C(1) - u * u;
    if (A == Sigmoid) return u * (C(1) - u);
    if (A == Elu) return u > 0 ? C(1) : u + C(1);
    if (A == Selu) return u > 0 ? C(kSeluScale) : u + C(kSeluScale * kSeluAlpha);
    if (A == Softplus) return C(1) - exp(-u);
    if (A == Swish) return sigmoid(u) * (C(1) + u * (C(1) - sigmoid(u)));
    return C(1);
  }

  // d slope(u) / du.
  GAN_HD C bend(C u) const {
    if (A == Tanh) return C(-2) * u;
    if (A == Sigmoid) return C(1) - C(2) * u;
    if (A == Elu || A == Selu) return u > 0 ? C(0) : C(1);
    if (A == Softplus) return exp(-u);
    if (A == Swish) return sigmoid(u) * (C(1) - sigmoid(u)) * (C(2) + u * (C(1) - C(2) * sigmoid(u)));
    return C(0);
  }

  GAN_HD C value(C x) const {
    const C y = act(x) * gain;
    if (!clamps) return y;
    return y < -limit ? -limit : (y > limit ? limit : y);
  }

  GAN_HD bool passes(C ref) const {
    const C y = A == Swish ? act(ref) * gain : ref;
    return !clamps || (y > -limit && y < limit);
  }

  // d value / dx * dy.
  GAN_HD C dx(C dy, C ref) const {
    const C s = slope(A == Swish ? ref : ref * inverse_gain);
    return passes(ref) ? dy * (gain * s) : C(0);
  }

  // d dx / d ref * tangent.
  GAN_HD C dref(C dy, C ref, C tangent) const {
    const C s = A == Swish ? gain * bend(ref) : bend(ref * inverse_gain) * (gain == 0 ? C(0) : C(1));
    return passes(ref) ? dy * tangent * s : C(0);
  }
};

// Launches on `stream`; returns the cudaError_t.
int bias_act_cuda(Dtype dtype, const BiasActParams& p, void* stream);

}  // namespace gan
