// Races in upfirdn2d: both layouts, separable and 2-D filters, up and down.
#include "race.h"
#include "upfirdn2d.h"

int main() {
  using gan::Dtype;
  for (Dtype dtype : {Dtype::Float32, Dtype::Float16}) {
    for (int64_t inner : {1, 8}) {
      for (int separable : {0, 1}) {
        for (int up : {1, 2}) {
          const int down = 3 - up;
          const int taps = separable ? 12 : 4;  // what the kernels with shared memory take
          const int64_t in = 40, out = (in * up - 1) / down + 1;
          gan::Upfirdn2dParams p{};
          p.batch = 2, p.inner = inner, p.separable = separable, p.gain = 1;
          p.horizontal = p.vertical = {in, out, taps / 2, up, down, taps};
          Array f(separable ? taps : taps * taps), x(p.batch * in * in * inner, bytes(dtype));
          Array y(p.batch * out * out * inner, bytes(dtype));
          p.f = f.get<const float>(), p.x = x.get(), p.y = y.get();
          launched(gan::upfirdn2d_cuda(dtype, p, nullptr));
        }
      }
    }
  }
}
