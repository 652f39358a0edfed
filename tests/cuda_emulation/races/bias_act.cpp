// Races in bias_act: all three orders, with and without vectors.
#include "bias_act.h"
#include "race.h"

int main() {
  using gan::Dtype;
  for (Dtype dtype : {Dtype::Float32, Dtype::Float16}) {
    for (int64_t inner : {1, 9, 144}) {
      for (int order : {gan::Value, gan::Slope, gan::Bend}) {
        gan::BiasActParams p{};
        p.outer = 2, p.channels = 16, p.inner = inner;
        const int64_t count = p.outer * p.channels * p.inner;
        Array x(count, bytes(dtype)), dy(count, bytes(dtype)), ref(count, bytes(dtype)), y(count, bytes(dtype));
        Array b(p.channels, bytes(dtype));
        p.x = x.get(), p.dy = dy.get(), p.ref = ref.get(), p.b = b.get(), p.y = y.get();
        p.act = gan::Swish, p.order = order, p.gain = 1, p.clamp = -1;
        launched(gan::bias_act_cuda(dtype, p, nullptr));
      }
    }
  }
}
