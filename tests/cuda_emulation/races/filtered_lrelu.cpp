// Races in filtered_lrelu: several strips across and along, several radial tiles, the plain kernels, all modes.
#include <cmath>

#include "filtered_lrelu.h"
#include "race.h"

namespace {

void run(gan::Dtype dtype, int up, int down, int taps_u, int taps_d, bool radial_d, int64_t width, gan::BendMode mode) {
  const int64_t height = 24 / up + 28, planes = 2;
  Array fu(taps_u), fd(radial_d ? taps_d * taps_d : taps_d), x(planes * height * width, bytes(dtype));
  gan::FilteredLreluParams p{};
  p.u = {fu.get<const float>(), taps_u, taps_u, true, false, 1.0f};
  p.d = {fd.get<const float>(), taps_d, taps_d, !radial_d, false, 1.0f};
  p.planes = planes, p.channels = 1, p.up = up, p.down = down, p.in_w = width, p.in_h = height;
  p.before_x = p.before_y = taps_u / 2;
  p.mid_w = width * up, p.mid_h = height * up;
  p.out_w = (p.mid_w - taps_d) / down + 1, p.out_h = (p.mid_h - taps_d) / down + 1;
  p.mask_w = gan::mask_width(p.mid_w, 4);
  p.gain = 1, p.slope = 0.2, p.clamp = HUGE_VAL, p.mode = mode;
  Array y(planes * p.out_w * p.out_h, bytes(dtype)), mask(planes * p.mid_h * p.mask_w, 1);
  Array middle(planes * p.mid_h * p.mid_w, 8);
  p.x = x.get(), p.y = y.get(), p.mask = mask.get<uint8_t>(), p.middle = middle.get();
  launched(gan::filtered_lrelu_cuda(dtype, p, nullptr));
}

}  // namespace

int main() {
  using gan::BendMode;
  using gan::Dtype;
  for (BendMode mode : {BendMode::Value, BendMode::ValueAndMask, BendMode::Masked}) {
    run(Dtype::Float16, 2, 2, 12, 12, false, 66, mode);
    run(Dtype::Float32, 4, 2, 24, 12, false, 20, mode);
    run(Dtype::Float32, 2, 2, 12, 12, true, 40, mode);
    run(Dtype::Float32, 3, 2, 6, 4, false, 28, mode);  // has neither
  }
}
