// random: uniform and normal numbers, each a function of its sample's key and its place in the sample alone.
//
// Philox4x32-10: Salmon et al. 2011, section 3.3; the layout of key and counter stands in ops/random.py. What follows
// holds no product that is added to anything but by fma, and no division, so a compiler has no choice of rounding:
// every device gives the same bits. The polynomials are minimax fits (Remez) to these functions, rounded to float.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "dtype.h"

namespace gan {

using std::fma;
using std::sqrt;

struct RandomParams {
  const int64_t* keys;  // [n, 3]
  void* to;             // [n, count]
  int64_t n, count;
  bool gaussian;  // else uniform
};

struct Words {
  uint32_t a, b, c, d;
};

// The numbers of one block of four elements, in their order.
struct Block {
  float a, b, c, d;
};

// What one sample's counters and key have in common.
struct Stream {
  uint32_t sample, nimg_low, nimg_high, seed, stream;

  GAN_HD explicit Stream(const int64_t* key)
      : sample(static_cast<uint32_t>(key[2])), nimg_low(static_cast<uint32_t>(key[1])),
        nimg_high(static_cast<uint32_t>(key[1] >> 32)), seed(static_cast<uint32_t>(key[0])),
        stream(static_cast<uint32_t>(key[0] >> 32)) {}
};

GAN_HD void philox_round(Words& w, uint32_t k0, uint32_t k1) {
  const uint64_t a = static_cast<uint64_t>(w.a) * 0xD2511F53u, c = static_cast<uint64_t>(w.c) * 0xCD9E8D57u;
  w.a = static_cast<uint32_t>(c >> 32) ^ w.b ^ k0, w.b = static_cast<uint32_t>(c);
  w.c = static_cast<uint32_t>(a >> 32) ^ w.d ^ k1, w.d = static_cast<uint32_t>(a);
}

GAN_HD Words philox(const Stream& s, uint32_t block) {
  constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  Words w{block, s.sample, s.nimg_low, s.nimg_high};
  philox_round(w, s.seed, s.stream);
  philox_round(w, s.seed + kWeyl0, s.stream + kWeyl1);
  philox_round(w, s.seed + 2 * kWeyl0, s.stream + 2 * kWeyl1);
  philox_round(w, s.seed + 3 * kWeyl0, s.stream + 3 * kWeyl1);
  philox_round(w, s.seed + 4 * kWeyl0, s.stream + 4 * kWeyl1);
  philox_round(w, s.seed + 5 * kWeyl0, s.stream + 5 * kWeyl1);
  philox_round(w, s.seed + 6 * kWeyl0, s.stream + 6 * kWeyl1);
  philox_round(w, s.seed + 7 * kWeyl0, s.stream + 7 * kWeyl1);
  philox_round(w, s.seed + 8 * kWeyl0, s.stream + 8 * kWeyl1);
  philox_round(w, s.seed + 9 * kWeyl0, s.stream + 9 * kWeyl1);
  return w;
}

GAN_HD int32_t bits_of(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

GAN_HD float float_of(int32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// k / 2^24 for the upper 24 bits k.
GAN_HD float uniform(uint32_t word) { return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24f; }

// log(x) for normal x: x = 2^e (1 + f) with 1 + f from sqrt(1/2) to sqrt(2); log(1 + f) = f + f^2 q(f).
GAN_HD float log_of(float x) {
  constexpr int32_t kSqrtHalf = 0x3F3504F3;
  const int32_t e = (bits_of(x) - kSqrtHalf) >> 23;
  const float f = float_of(bits_of(x) - e * 0x800000) - 1.0f, exponent = static_cast<float>(e);
  float q = -0.07832588255405426f;
  q = fma(q, f, 0.129966601729393f);
  q = fma(q, f, -0.13200639188289642f);
  q = fma(q, f, 0.14164525270462036f);
  q = fma(q, f, -0.1661239117383957f);
  q = fma(q, f, 0.20002980530261993f);
  q = fma(q, f, -0.25001460313796997f);
  q = fma(q, f, 0.3333330750465393f);
  q = fma(q, f, -0.49999991059303284f);
  const float log1p = fma(f * f, q, f);
  return fma(exponent, 0x1.62e430p-1f, fma(exponent, -0x1.05c610p-29f, log1p));  // log 2 in two parts
}

// sin(t), cos(t) for |t| <= pi / 4.
GAN_HD float sin_of(float t) {
  const float s = t * t, q = fma(fma(-0.00019517593318596482f, s, 0.00833218079060316f), s, -0.16666655242443085f);
  return fma(t * s, q, t);
}

GAN_HD float cos_of(float t) {
  const float s = t * t, q = fma(fma(2.439087620587088e-05f, s, -0.001388676930218935f), s, 0.04166662320494652f);
  return fma(s, fma(s, q, -0.5f), 1.0f);
}

// Two normal numbers of two words, as _box_muller in ops/random.py.
GAN_HD void box_muller(uint32_t first, uint32_t second, float& x, float& y) {
  constexpr float kStep = 0x1.921fb6p-31f;  // pi / 2^32
  const float radius = sqrt(-2.0f * log_of(static_cast<float>(first | 1u) * 0x1p-32f));
  const int32_t step = static_cast<int32_t>((second & 0x3FFFFFFFu) * 2u + 1u) - 0x40000000;
  const float angle = static_cast<float>(step) * kStep;
  const float across = radius * float_of(bits_of(cos_of(angle)) ^ static_cast<int32_t>(second & 0x80000000u));
  const float along = radius * sin_of(angle);
  const bool turned = (second & 0x40000000u) != 0;
  x = turned ? along : across, y = turned ? across : along;
}

// Elements 4 block to 4 block + 3 of a sample.
template <bool Gaussian>
GAN_HD Block draw(const Stream& s, uint32_t block) {
  const Words w = philox(s, block);
  if (!Gaussian) return {uniform(w.a), uniform(w.b), uniform(w.c), uniform(w.d)};
  Block z;
  box_muller(w.a, w.b, z.a, z.b);
  box_muller(w.c, w.d, z.c, z.d);
  return z;
}

// Launches on `stream`; returns the cudaError_t.
int random_cuda(Dtype dtype, const RandomParams& p, void* stream);

}  // namespace gan
