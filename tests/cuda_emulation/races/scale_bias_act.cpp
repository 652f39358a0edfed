// Races in scale_bias_act, in both layouts: forward, backward with its sums, and the gradient of the noise.
#include "race.h"
#include "scale_bias_act.h"

int main() {
  using gan::Dtype;
  for (Dtype dtype : {Dtype::Float32, Dtype::Float16}) {
    for (int backward : {0, 1}) {
      for (int last : {0, 1}) {
        const int64_t n = 2, channels = 3, pixels = 324, slabs = 2, count = n * channels * pixels;
        Array x(count, bytes(dtype)), dy(count, bytes(dtype)), y(count, bytes(dtype)), noise(n * pixels, bytes(dtype));
        Array scale(n * channels, bytes(dtype)), b(channels, bytes(dtype));
        Array dscale(n * channels), db(n * channels), dnoise(n * pixels), slab_sums(slabs * 2 * n * channels);
        gan::ScaleBiasActParams p{};
        p.x = x.get(), p.dy = backward ? dy.get() : nullptr, p.scale = scale.get(), p.b = b.get();
        p.noise = noise.get(), p.noise_stride = pixels, p.y = y.get();
        p.dscale = dscale.get(), p.db = db.get(), p.dnoise = dnoise.get();
        p.slab_sums = slab_sums.get(), p.slabs = slabs;
        p.n = n, p.channels = channels, p.pixels = pixels, p.channels_last = last;
        p.act = gan::Lrelu, p.alpha = 0.2, p.gain = 1, p.clamp = -1;
        launched(gan::scale_bias_act_cuda(dtype, p, nullptr));
      }
    }
  }
}
