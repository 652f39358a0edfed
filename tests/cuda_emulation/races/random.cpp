// Races in random: both distributions, samples that vectors fit and samples that they do not.
#include "race.h"
#include "random.h"

int main() {
  using gan::Dtype;
  for (Dtype dtype : {Dtype::Float32, Dtype::Float16}) {
    for (int64_t count : {512, 131}) {
      for (bool gaussian : {false, true}) {
        gan::RandomParams p{};
        p.n = 5, p.count = count, p.gaussian = gaussian;
        Array keys(p.n * 3, 8), to(p.n * count, bytes(dtype));
        p.keys = keys.get<int64_t>(), p.to = to.get();
        launched(gan::random_cuda(dtype, p, nullptr));
      }
    }
  }
}
