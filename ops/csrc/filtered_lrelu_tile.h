// The tiles of filtered_lrelu on CUDA: their sizes, and where a block works.
#pragma once

#include "cuda_common.h"
#include "filtered_lrelu.h"

namespace gan {
namespace {

// Factors and taps of both filters (radial: 2-D), tile of the result. All else follows: the tile of the middle, in
// groups of four samples along x, and of the input.
template <int UP_, int DOWN_, int FU_, int FD_, bool RADIAL_U, bool RADIAL_D, int W_, int H_>
struct Tile {
  static constexpr int UP = UP_, DOWN = DOWN_, FU = FU_, FD = FD_, W = W_, H = H_;
  static constexpr bool radial_u = RADIAL_U, radial_d = RADIAL_D;
  static constexpr int TAPS = FU / UP;  // that meet one sample of the middle
  static constexpr int MID_Q = ((W - 1) * DOWN + FD + 3) / 4, MID_W = MID_Q * 4, MID_H = (H - 1) * DOWN + FD;
  static constexpr int IN_W = (MID_W + FU - 2) / UP + 1, IN_H = (MID_H + FU - 2) / UP + 1;
  static constexpr int SIZE_U = RADIAL_U ? FU * FU : FU, SIZE_D = RADIAL_D ? FD * FD : FD;
  static constexpr int SCRATCH_H = IN_H > H ? IN_H : H;  // rows upsampled, later downsampled, along one axis
  static_assert(FU % UP == 0 && 4 % UP == 0 && (W * DOWN) % 4 == 0 && FD >= DOWN, "");
};

// Where a block works. `in` and `middle` are positions of the first elements of the tiles; `phase`: the first tap
// that meets an input sample at the first element of the middle.
struct Place {
  int64_t plane;
  int out_x, out_y, middle_x, middle_y, in_x, in_y, phase_x, phase_y;
  bool last_x, last_y;
};

template <typename G>
__device__ __forceinline__ Place place(const FilteredLreluParams& p, int64_t tile, int tiles_x, int tiles_y) {
  Place at;
  const int tx = static_cast<int>(tile % tiles_x), ty = static_cast<int>(tile / tiles_x % tiles_y);
  at.plane = tile / tiles_x / tiles_y;
  at.last_x = tx == tiles_x - 1, at.last_y = ty == tiles_y - 1;
  at.out_x = tx * G::W, at.out_y = ty * G::H;
  at.middle_x = at.out_x * G::DOWN + static_cast<int>(p.skip_x);
  at.middle_y = at.out_y * G::DOWN + static_cast<int>(p.skip_y);
  const int x = at.middle_x - static_cast<int>(p.before_x), y = at.middle_y - static_cast<int>(p.before_y);
  at.in_x = static_cast<int>(ceil_div(x, G::UP)), at.in_y = static_cast<int>(ceil_div(y, G::UP));
  at.phase_x = at.in_x * G::UP - x, at.phase_y = at.in_y * G::UP - y;
  return at;
}

}  // namespace
}  // namespace gan
