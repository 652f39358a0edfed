// Races in grid_sample: forward and adjoint, many places that share their pixels.
#include "grid_sample.h"
#include "race.h"

int main() {
  using gan::Dtype;
  for (Dtype dtype : {Dtype::Float32, Dtype::Float16}) {
    for (int last : {0, 1}) {
      for (int adjoint : {0, 1}) {
        gan::GridSampleParams p{};
        p.n = 2, p.c = 8, p.h = p.w = 7, p.ho = 12, p.wo = 13;
        const int64_t image = p.n * p.c * p.h * p.w, sampled = p.n * p.c * p.ho * p.wo;
        Array from(adjoint ? sampled : image, bytes(dtype)), to(adjoint ? image : sampled, bytes(dtype));
        Array grid(p.n * p.ho * p.wo * 2), sums(image);
        p.from = from.get(), p.grid = grid.get(), p.to = to.get();
        p.sums = dtype == Dtype::Float32 ? p.to : sums.get();
        p.channels_last = last, p.adjoint = adjoint;
        launched(gan::grid_sample_cuda(dtype, p, nullptr));
      }
    }
  }
}
