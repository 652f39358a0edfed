// filtered_lrelu on the CPU: planes in parallel, rows of a plane streamed through small rings.
//
// A row is kept as phases (every L-th sample, L = lcm(up, down)) one after the other, so that each tap of each
// filter reads a contiguous run. Upsampling goes along x, then along y; downsampling along y, then along x.
#pragma once

#include <algorithm>
#include <numeric>

#include "common.h"
#include "filtered_lrelu.h"
#include "fir_rows.h"

namespace gan {

// A row of `length` samples as `count` phases with zeros around each.
struct Phases {
  int64_t count, length, left, stride;

  int64_t samples(int64_t phase) const { return (length - phase + count - 1) / count; }
  int64_t at(int64_t phase) const { return phase * stride + left; }

  template <typename C>
  void clear_outside(C* row) const {
    for (int64_t p = 0; p < count; ++p) {
      std::fill(row + p * stride, row + at(p), C(0));
      std::fill(row + at(p) + samples(p), row + (p + 1) * stride, C(0));
    }
  }
};

struct Tap {
  int k;
  int64_t at;  // sample j of a phase of the result takes tap k from element at + j of the source row
};

// Filtering along x: sample n of the result takes tap k from sample (n * step + k + shift) / every of the source,
// wherever that is whole. `to` and `phases` count phases, per_phase the samples of one of the result; a phase of the
// source has room for at least `room` samples.
struct Reads {
  Phases from;
  std::vector<std::vector<Tap>> taps;  // per phase of the result

  Reads(int64_t to, int64_t per_phase, int64_t phases, int64_t length, int64_t room, int width, int64_t step,
        int64_t every, int64_t shift)
      : from{phases, length, 0, 0}, taps(size_t(to)) {
    struct Found {
      int64_t phase, offset;
    };
    std::vector<Found> found;
    int64_t lowest = 0, end = room;
    for (int64_t r = 0; r < to; ++r) {
      for (int k = 0; k < width; ++k) {
        const int64_t i = r * step + k + shift;
        if (i % every != 0) continue;
        const int64_t offset = floor_div(i / every, phases);
        found.push_back({i / every - offset * phases, offset});
        taps[size_t(r)].push_back({k, 0});
        lowest = std::min(lowest, offset);
        end = std::max(end, offset + per_phase);
      }
    }
    from.left = -lowest, from.stride = end - lowest;
    size_t n = 0;
    for (auto& list : taps) {
      for (Tap& tap : list) tap.at = from.at(found[n].phase) + found[n].offset, ++n;
      std::stable_sort(list.begin(), list.end(), [](const Tap& a, const Tap& b) { return a.at < b.at; });
    }
  }
};

// What all planes share. In `vertical` and `full` a term's row counts from the first row that takes part.
template <typename C>
struct Plan {
  const FilteredLreluParams& p;
  int64_t phases, samples;  // of a row of the middle
  int64_t out_phases, out_samples;
  Reads up, down;
  std::vector<Terms<C>> up_along, down_along;           // per phase of the result: along x
  std::vector<Terms<C>> up_vertical, up_full;           // per row modulo up (and phase)
  std::vector<Terms<C>> down_vertical, down_full;       // one entry (per phase)

  explicit Plan(const FilteredLreluParams& p)
      : p(p), phases(std::lcm(p.up, p.down)), samples((p.mid_w + phases - 1) / phases), out_phases(phases / p.down),
        out_samples((p.out_w + out_phases - 1) / out_phases),
        up(phases, samples, phases / p.up, p.in_w, ceil_div(p.in_w, phases / p.up), p.u.w, 1, p.up, -p.before_x),
        down(out_phases, out_samples, phases, p.mid_w, round_to_lanes<C>(samples), p.d.w, p.down, 1, p.skip_x) {
    if (p.u.separable) up_along = along(up, p.u);
    if (p.d.separable) down_along = along(down, p.d);
    for (int first = 0; first < p.up; ++first) {
      if (p.u.separable) up_vertical.push_back(vertical(p.u, first, p.up));
      if (!p.u.separable) full(up_full, up, p.u, first, p.up);
    }
    if (p.d.separable) down_vertical.push_back(vertical(p.d, 0, 1));
    if (!p.d.separable) full(down_full, down, p.d, 0, 1);
  }

  static std::vector<Terms<C>> along(const Reads& reads, const Taps& f) {
    std::vector<Terms<C>> lists;
    for (const auto& taps : reads.taps) {
      lists.emplace_back();
      for (const Tap& tap : taps) lists.back().push_back({0, int32_t(tap.at), C(f.along(tap.k))});
    }
    return lists;
  }

  // Taps first, first + step, ... meet consecutive rows.
  static Terms<C> vertical(const Taps& f, int first, int step) {
    Terms<C> terms;
    for (int k = first; k < f.h; k += step) terms.push_back({(k - first) / step, 0, C(f.along(k))});
    return terms;
  }

  static void full(std::vector<Terms<C>>& lists, const Reads& reads, const Taps& f, int first, int step) {
    for (const auto& taps : reads.taps) {
      lists.emplace_back();
      for (int k = first; k < f.h; k += step) {
        for (const Tap& tap : taps) {
          lists.back().push_back({(k - first) / step, int32_t(tap.at), f.template at<C>(tap.k, k)});
        }
      }
    }
  }
};

// Rings and scratch of one thread, and the work on one plane.
template <typename T>
class Worker {
  using C = Compute<T>;
  static constexpr int kBytes = 64;  // a block of codes

 public:
  explicit Worker(const Plan<C>& plan)
      : plan_(plan), p_(plan.p), bend_(p_.gain, p_.slope, p_.clamp), up_rows_((p_.u.h + p_.up - 1) / p_.up),
        input_(p_.u.separable ? 1 : up_rows_, plan.up.from.count * plan.up.from.stride),
        wide_(p_.u.separable ? up_rows_ : 1, middle_length()), middle_(p_.d.h, middle_length()),
        summed_(1, middle_length()),
        zero_(1, std::max(middle_length(), plan.up.from.count * plan.up.from.stride)),
        result_(plan.out_phases, plan.out_samples), rows_(size_t(std::max(up_rows_, p_.d.h))),
        codes_(size_t(p_.mask_w * 4 + kBytes)), packed_(size_t(p_.mask_w + kBytes)) {}

  void plane(int64_t index) {
    x_ = static_cast<const T*>(p_.x) + index * p_.in_h * p_.in_w;
    bias_ = p_.b == nullptr ? C(0) : C(static_cast<const T*>(p_.b)[index % p_.channels]);
    mask_ = p_.mask == nullptr ? nullptr : p_.mask + index * p_.mid_h * p_.mask_w;
    T* y = static_cast<T*>(p_.y) + index * p_.out_h * p_.out_w;
    int64_t ready = 0;
    next_input_ = 0;
    for (int64_t o = 0; o < p_.out_h; ++o) {
      const int64_t first = o * p_.down + p_.skip_y;
      for (const int64_t end = std::min(p_.mid_h, first + p_.d.h); ready < end; ++ready) make(ready);
      for (int k = 0; k < p_.d.h; ++k) {
        const bool inside = first + k >= 0 && first + k < p_.mid_h;
        rows_[size_t(k)] = inside ? middle_[first + k] : zero_[0];
      }
      downsample(y + o * p_.out_w);
    }
    while (p_.mode == BendMode::ValueAndMask && ready < p_.mid_h) make(ready++);  // no result needs them
  }

 private:
  int64_t middle_length() const { return plan_.phases * plan_.down.from.stride + kLanes<C>; }

  // Row m of the middle.
  void make(int64_t m) {
    const int64_t first = ceil_div(m - p_.before_y, p_.up);  // row of x that the first tap meets
    const int variant = int(first * p_.up - (m - p_.before_y));
    const auto& ring = p_.u.separable ? wide_ : input_;
    for (const int64_t end = std::min(p_.in_h, first + up_rows_); next_input_ < end; ++next_input_) read(next_input_);
    for (int k = 0; k < up_rows_; ++k) {
      const bool inside = first + k >= 0 && first + k < p_.in_h;
      rows_[size_t(k)] = inside ? ring[first + k] : zero_[0];
    }
    C* row = middle_[m];
    if (p_.u.separable) {
      fir(row, rows_.data(), plan_.up_vertical[size_t(variant)], plan_.phases * plan_.down.from.stride);
    } else {
      spread(row, &plan_.up_full[size_t(variant * plan_.phases)]);
    }
    bend(row, m);
  }

  // All phases of a row of the middle from rows_.
  void spread(C* row, const Terms<C>* lists) {
    const Phases& out = plan_.down.from;
    for (int64_t r = 0; r < out.count; ++r) fir(row + out.at(r), rows_.data(), lists[r], plan_.samples);
    out.clear_outside(row);
  }

  // Row i of x plus bias into its ring, in phases; upsampled along x where the filter is separable.
  void read(int64_t i) {
    const Phases& in = plan_.up.from;
    const T* x = x_ + i * p_.in_w;
    C* row = input_[i];
    for (int64_t a = 0; a < in.count; ++a) {
      const int64_t n = in.samples(a), step = in.count;
      C* out = row + in.at(a);
      if (step == 1) {
        load_run(x, out, n);
        for (int64_t j = 0; j < n; ++j) out[j] += bias_;
      } else {
        for (int64_t j = 0; j < n; ++j) out[j] = C(x[j * step + a]) + bias_;
      }
    }
    if (!p_.u.separable) return;
    rows_[0] = row;
    spread(wide_[i], plan_.up_along.data());
  }

  // The non-linearity, or the mask, on a row of the middle; up to whole vectors, as there is room for them.
  void bend(C* row, int64_t m) {
    const Phases& phases = plan_.down.from;
    if (p_.mode == BendMode::Masked) unpack(m);
    for (int64_t r = 0; r < phases.count; ++r) {
      C* v = row + phases.at(r);
      uint8_t* code = codes_.data() + r * plan_.samples;
      for (int64_t j = 0; j < plan_.samples; j += kLanes<C>) {
        if (p_.mode == BendMode::Masked) {
#pragma omp simd
          for (int64_t i = j; i < j + kLanes<C>; ++i) v[i] *= bend_.slope(code[i]);
          continue;
        }
        if (p_.mode == BendMode::ValueAndMask) {
#pragma omp simd
          for (int64_t i = j; i < j + kLanes<C>; ++i) code[i] = uint8_t(bend_.code(v[i], bend_.unclamped(v[i])));
        }
#pragma omp simd
        for (int64_t i = j; i < j + kLanes<C>; ++i) v[i] = bend_.clamped(bend_.unclamped(v[i]));
      }
    }
    if (p_.mode == BendMode::ValueAndMask) pack(m);
  }

  // A byte holds codes of four quarters of the row.
  void pack(int64_t m) {
    const int64_t n = p_.mask_w;
    const uint8_t* c = codes_.data();
    uint8_t* out = packed_.data();
    for (int64_t j = 0; j < n; j += kBytes) {
#pragma omp simd
      for (int64_t i = j; i < j + kBytes; ++i) {
        out[i] = uint8_t(c[i] | c[i + n] << 2 | c[i + 2 * n] << 4 | c[i + 3 * n] << 6);
      }
    }
    std::copy(out, out + n, mask_ + m * n);
  }

  void unpack(int64_t m) {
    const int64_t n = p_.mask_w;
    const uint8_t* in = packed_.data();
    std::copy(mask_ + m * n, mask_ + (m + 1) * n, packed_.data());
    for (int q = 0; q < 4; ++q) {
      uint8_t* c = codes_.data() + q * n;
      for (int64_t j = 0; j < n; j += kBytes) {
#pragma omp simd
        for (int64_t i = j; i < j + kBytes; ++i) c[i] = uint8_t(in[i] >> (2 * q) & 3);
      }
    }
  }

  // A row of the result from rows_.
  void downsample(T* y) {
    const Terms<C>* lists = plan_.down_full.data();
    if (p_.d.separable) {
      fir(summed_[0], rows_.data(), plan_.down_vertical[0], plan_.phases * plan_.down.from.stride);
      rows_[0] = summed_[0];
      lists = plan_.down_along.data();
    }
    const int64_t step = plan_.out_phases;
    for (int64_t s = 0; s < step; ++s) {
      C* out = result_[s];
      fir(out, rows_.data(), lists[s], plan_.out_samples);
      const int64_t n = (p_.out_w - s + step - 1) / step;
      if (step == 1) {
        store_run(out, y, n);
      } else {
        for (int64_t j = 0; j < n; ++j) y[j * step + s] = T(out[j]);
      }
    }
  }

  const Plan<C>& plan_;
  const FilteredLreluParams& p_;
  Bend<C> bend_;
  int up_rows_;                   // of x that meet one row of the middle
  Rows<C> input_, wide_, middle_;  // rings: rows of x; the same upsampled along x; rows of the middle
  Rows<C> summed_, zero_, result_;
  std::vector<const C*> rows_;    // what the next fir reads
  std::vector<uint8_t> codes_, packed_;  // of one row; written on to whole blocks
  const T* x_ = nullptr;
  uint8_t* mask_ = nullptr;
  C bias_ = C(0);
  int64_t next_input_ = 0;
};

template <typename T>
void filtered_lrelu_cpu(const FilteredLreluParams& p) {
  const Plan<Compute<T>> plan(p);
  parallel(p.planes, p.mid_h * p.mid_w, [&](int64_t begin, int64_t end) {
    Worker<T> worker(plan);
    for (int64_t i = begin; i < end; ++i) worker.plane(i);
  });
}

}  // namespace gan
