// Races in spectral_norm: rows and columns over several blocks, the axis of the rows first and second.
#include "race.h"
#include "spectral_norm.h"

int main() {
  using gan::Dtype;
  for (Dtype dtype : {Dtype::Float32, Dtype::Float16}) {
    for (int64_t outer : {1, 3}) {
      gan::SpectralNormParams p{};
      p.outer = outer, p.rows = 20, p.inner = 24, p.steps = 2, p.eps = 1e-12;
      const int64_t rest = p.outer * p.inner;
      Array weight(rest * p.rows, bytes(dtype)), u(p.rows, bytes(dtype)), v(rest, bytes(dtype));
      Array new_u(p.rows, bytes(dtype)), new_v(rest, bytes(dtype)), sigma(1, bytes(dtype));
      Array product(p.rows), transposed(rest);
      p.weight = weight.get(), p.u = u.get(), p.v = v.get(), p.sigma = sigma.get();
      p.new_u = new_u.get(), p.new_v = new_v.get(), p.product = product.get(), p.transposed = transposed.get();
      launched(gan::spectral_norm_cuda(dtype, p, nullptr));
    }
  }
}
