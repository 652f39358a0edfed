// grid_sample: bilinear values of an image at given places, zero outside of it, and the adjoint of that map.
#pragma once

#include <cmath>
#include <cstdint>

#include "dtype.h"

namespace gan {

using std::floor;

// x: [n, c, h, w], read by the forward map and written by its adjoint; y: [n, c, ho, wo], the other way round.
struct GridSampleParams {
  const void* from;  // forward: x. Adjoint: dy.
  const void* grid;  // [n, ho, wo, 2], float32 (float64 for float64 images)
  void* to;          // forward: y. Adjoint: dx.
  void* sums;        // CUDA adjoint: dx before rounding, float32 for the half types; `to` itself for the others
  int64_t n, c, h, w, ho, wo;
  bool channels_last, adjoint;
  bool paired;  // CUDA: does every place of the grid lie where both of its coordinates can be read at once?
};

// Along one axis. Where a coordinate lies in pixels, for -1 and 1 at the outer edges of the first and the last pixel
// (align_corners = false); -2 if no pixel of the image is next to it, NaN included. Here and below one comparison
// per selection: g++ does not vectorise two.
template <typename C>
GAN_HD C place(C coordinate, int size) {
  const C at = ((coordinate + C(1)) * C(size) - C(1)) / C(2);
  const C bounded = at < C(size) ? at : C(-2);
  return bounded >= C(-1) ? bounded : C(-2);
}

// The pixels next to it are floor(at) and floor(at) + 1. The one to read for either: the nearest that the image has.
template <typename C>
GAN_HD C nearest(C pixel, int size) {
  const C last = C(size - 1), low = pixel < C(0) ? C(0) : pixel;
  return low < last ? low : last;
}

// Its weight: 0 if it is outside the image.
template <typename C>
GAN_HD C share(C at, C pixel, int size) {
  const C distance = at < pixel ? pixel - at : at - pixel;
  return nearest(pixel, size) == pixel ? C(1) - distance : C(0);
}

// Launches on `stream`; returns the cudaError_t.
int grid_sample_cuda(Dtype dtype, const GridSampleParams& p, void* stream);

}  // namespace gan
