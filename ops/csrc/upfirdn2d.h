// upfirdn2d: insert zeros, pad or crop, filter, keep every n-th sample. Which samples meet which taps, per axis.
//
// Of the zero-inserted signal only every up-th sample is not zero, so that an output needs every up-th tap only;
// which ones depends on its phase. Both axes are alike, and the adjoint is of the same form (ops/upfirdn2d.py).
#pragma once

#include <cstdint>

#include "dtype.h"

namespace gan {

// One axis. `pad` zeros stand before the first sample (negative: samples of the zero-inserted signal cut off).
struct FirAxis {
  int64_t in, out, pad;
  int up, down, taps;
};

// The first input sample that an output sees, and the tap it meets; the next sample meets tap + up, and so on.
struct FirWindow {
  int64_t sample;
  int tap;
};

GAN_HD FirWindow fir_window(const FirAxis& a, int64_t output) {
  const int64_t start = output * a.down - a.pad;  // where tap 0 lies in the zero-inserted signal
  const int64_t sample = start > 0 ? (start + a.up - 1) / a.up : -(-start / a.up);
  return {sample, static_cast<int>(sample * a.up - start)};
}

// Samples that a window starting with `tap` sees.
GAN_HD int fir_count(const FirAxis& a, int tap) { return tap < a.taps ? (a.taps - tap + a.up - 1) / a.up : 0; }

// x and y in memory order: [batch, height, width, inner]. Contiguous: batch = N * C, inner = 1; channels_last: N, C.
struct Upfirdn2dParams {
  const void* x;
  void* y;
  const float* f;  // on x's device: [taps] for both axes if separable, else [y.taps, x.taps]
  int64_t batch, inner;
  FirAxis horizontal, vertical;
  bool separable, flip;  // flip: correlate
  float gain;            // of every tap; the product is rounded to float
};

// Index into f of the tap at `tap` of a correlation.
GAN_HD int fir_index(int tap, int taps, bool flip) { return flip ? tap : taps - 1 - tap; }

// Launches on `stream`; returns the cudaError_t.
int upfirdn2d_cuda(Dtype dtype, const Upfirdn2dParams& p, void* stream);

}  // namespace gan
