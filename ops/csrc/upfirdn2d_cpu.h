// upfirdn2d on the CPU, one output row after another: first down the columns, then along the row.
//
// Rows are runs of width * inner elements. With channels_last, inner is the number of channels. Contiguous planes
// go through in groups, one plane per lane of a vector, put beside each other when a row is read and taken apart
// when it is written: then inner is the number of lanes. The sum down the columns (one term per tap) runs over a
// whole row. Along the row, outputs of one phase see samples at equal distances, and the sum runs over a pixel's
// channels; if these are few, the samples are dealt out to `step` streams first and the phases put in turn
// afterwards, so that it runs over a whole row too. Filters that are no product of two 1-D ones take all their
// rows into the second sum.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "upfirdn2d.h"
#include "lanes.h"

namespace gan {

// The taps of a 1-D filter with those that meet the samples of one window side by side.
template <typename C>
struct FirTaps {
  std::vector<C> taps;
  std::vector<int64_t> start;  // by the window's first tap

  FirTaps(const double* f, const FirAxis& a) {
    for (int first = 0; first < a.up; ++first) {
      start.push_back(taps.size());
      for (int tap = first; tap < a.taps; tap += a.up) taps.push_back(C(f[tap]));
    }
  }
  const C* of(const FirWindow& w) const { return taps.data() + start[w.tap]; }
};

// Is f the product of `down` the columns and `along` the rows, as far as arithmetic in C can tell?
template <typename C>
bool is_product(const std::vector<double>& f, int rows, int columns, std::vector<double>& down,
                std::vector<double>& along) {
  const auto largest = std::max_element(f.begin(), f.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  const int64_t i = (largest - f.begin()) / columns, j = (largest - f.begin()) % columns;
  along.assign(f.begin() + i * columns, f.begin() + (i + 1) * columns);
  down.assign(rows, 0);
  for (int r = 0; r < rows && *largest != 0; ++r) down[r] = f[r * columns + j] / *largest;
  for (int k = 0; k < rows * columns; ++k) {
    const double off = std::abs(down[k / columns] * along[k % columns] - f[k]);
    if (!(off <= 2 * std::numeric_limits<C>::epsilon() * std::abs(*largest))) return false;
  }
  return true;
}

// What all rows share.
template <typename C>
struct FirPlan {
  static constexpr int64_t kFew = 16;   // channels below which a sum over one pixel's is too short
  static constexpr int64_t kBand = 128;  // pixels that are worth being put beside each other

  const Upfirdn2dParams& p;
  bool product;
  std::vector<FirTaps<C>> down;   // one, if product
  std::vector<FirTaps<C>> along;  // one, if product; else one per row of the filter
  int64_t phases, step;           // output o + phases sees what o sees, `step` samples on
  int64_t before, pixels;         // of a row with its zeros: samples of x start at `before`
  bool lanes;                     // planes side by side, p.batch in groups of `inner`
  int64_t inner;
  bool few, flat;                 // flat: the sums along a row need no division into pixels

  explicit FirPlan(const Upfirdn2dParams& params) : p(params) {
    const FirAxis& h = p.horizontal;
    make_taps();
    const int64_t common = std::gcd(h.up, h.down);
    phases = h.up / common, step = h.down / common;
    int64_t least = 0, most = h.in;
    for (int64_t o = 0; o < std::min<int64_t>(phases, h.out); ++o) {
      const FirWindow w = fir_window(h, o);
      least = std::min(least, w.sample);
      most = std::max(most, w.sample + step * (outputs(o) - 1) + fir_count(h, w.tap));
    }
    before = -least;
    pixels = (before + most + step - 1) / step * step;
    lanes = p.inner == 1 && p.batch >= Lanes<C>::count / 2;
    inner = lanes ? Lanes<C>::count : p.inner;
    few = !lanes && inner < kFew;
    flat = few || (phases == 1 && step == 1);
  }

  int64_t groups() const { return lanes ? (p.batch + inner - 1) / inner : p.batch; }

  // Outputs of the phase of output o < phases, in one row.
  int64_t outputs(int64_t o) const { return (p.horizontal.out - o + phases - 1) / phases; }

  // Rows of x that one output row sees, at most.
  int64_t reach() const { return (p.vertical.taps + p.vertical.up - 1) / p.vertical.up; }

 private:
  void make_taps() {
    const int columns = p.horizontal.taps, rows = p.vertical.taps;
    auto tap = [&](int64_t i) { return double(p.f[i] * p.gain); };
    std::vector<double> a(columns), d(rows), f;
    if (p.separable) {
      product = true;
      for (int k = 0; k < columns; ++k) a[k] = d[k] = tap(fir_index(k, columns, p.flip));
    } else {
      for (int r = 0; r < rows; ++r) {
        for (int k = 0; k < columns; ++k) {
          f.push_back(tap(int64_t(fir_index(r, rows, p.flip)) * columns + fir_index(k, columns, p.flip)));
        }
      }
      product = is_product<C>(f, rows, columns, d, a);
    }
    if (product) down.emplace_back(d.data(), p.vertical), along.emplace_back(a.data(), p.horizontal);
    for (int r = 0; r < rows && !product; ++r) along.emplace_back(f.data() + r * columns, p.horizontal);
  }
};

// `count` pixels of `inner` elements each from and to memory at steps of pixels.
template <typename C>
void copy_pixels(const C* x, int64_t x_step, C* y, int64_t y_step, int64_t count, int64_t inner) {
  auto copy = [&](auto size) {
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t k = 0; k < size; ++k) y[i * y_step * size + k] = x[i * x_step * size + k];
    }
  };
  if (inner == 1) return copy(std::integral_constant<int64_t, 1>());
  if (inner == 3) return copy(std::integral_constant<int64_t, 3>());
  copy(inner);
}

// Memory of one thread, and the rows of one group of planes or one image.
template <typename T>
class FirRows {
  using C = Compute<T>;
  static constexpr bool kConverts = !std::is_same_v<T, C>;

 public:
  explicit FirRows(const FirPlan<C>& plan)
      : plan_(plan), p_(plan.p), in_(p_.horizontal.in), out_(p_.horizontal.out), inner_(plan.inner),
        direct_(!kConverts && !plan.lanes), in_band_(band(in_, p_.vertical.in)), out_band_(band(out_, p_.vertical.out)),
        dealt_(plan.few && plan.step > 1), turned_(plan.few && plan.phases > 1),
        line_(plan.pixels * inner_), streams_(dealt_ ? line_.size() : 0),
        phases_(turned_ ? plan.outputs(0) * inner_ * plan.phases : 0),
        kept_rows_(direct_ ? 0 : (plan.reach() - 1 + in_band_ - 1) / in_band_ + 1),
        rows_(kept_rows_.size() * in_band_ * in_ * inner_), result_(direct_ ? 0 : out_band_ * out_ * inner_),
        planar_(kConverts && plan.lanes ? std::max(in_band_ * in_, out_band_ * out_) * inner_ : 0),
        kept_lines_(plan.product ? 0 : plan.reach()), ring_(kept_lines_.size() * line_.size()) {}

  void run(int64_t begin, int64_t end) {
    for (int64_t r = begin, pending = 0; r < end; ++r) {
      const int64_t group = r / p_.vertical.out, o = r % p_.vertical.out;
      if (group != group_) {
        std::fill(kept_rows_.begin(), kept_rows_.end(), -1);
        std::fill(kept_lines_.begin(), kept_lines_.end(), -1);
        group_ = group;
      }
      if constexpr (!kConverts) {
        if (direct_) output_row(o, static_cast<T*>(p_.y) + r * out_ * inner_);
      }
      if (direct_) continue;
      output_row(o, result_.data() + pending * out_ * inner_);
      ++pending;
      if (pending < out_band_ && o + 1 < p_.vertical.out && r + 1 < end) continue;
      write(o + 1 - pending, pending);
      pending = 0;
    }
  }

 private:
  int64_t band(int64_t width, int64_t height) const {
    if (!plan_.lanes) return 1;
    const int64_t rows = (FirPlan<C>::kBand + width - 1) / std::max<int64_t>(width, 1);
    return std::max<int64_t>(1, std::min(rows, height));
  }

  int64_t planes() const { return std::min(inner_, p_.batch - group_ * inner_); }

  // Rows of result_ to y.
  void write(int64_t first, int64_t rows) {
    const int64_t count = rows * out_, plane = p_.vertical.out * out_;
    T* y = static_cast<T*>(p_.y) + group_ * inner_ * plane + (plan_.lanes ? first * out_ : first * out_ * inner_);
    if (!plan_.lanes) return store_run(result_.data(), y, count * inner_);
    if constexpr (kConverts) {
      lanes_to_planes(result_.data(), planar_.data(), count, planes(), count);
      for (int64_t k = 0; k < planes(); ++k) store_run(planar_.data() + k * count, y + k * plane, count);
    } else {
      lanes_to_planes(result_.data(), y, plane, planes(), count);
    }
  }

  // Rows of x, in arithmetic type, inner_ channels or planes side by side.
  void read(int64_t first, int64_t rows, C* to) {
    const int64_t count = rows * in_, plane = p_.vertical.in * in_;
    const T* x = static_cast<const T*>(p_.x) + group_ * inner_ * plane + (plan_.lanes ? first * in_ : first * in_ * inner_);
    if (!plan_.lanes) return load_run(x, to, count * inner_);
    if constexpr (kConverts) {
      for (int64_t k = 0; k < planes(); ++k) load_run(x + k * plane, planar_.data() + k * count, count);
      planes_to_lanes(planar_.data(), count, planes(), count, to);
    } else {
      planes_to_lanes(x, plane, planes(), count, to);
    }
  }

  // Row i of x; kept, so that each is read once.
  const C* row(int64_t i) {
    if constexpr (!kConverts) {
      if (direct_) return static_cast<const T*>(p_.x) + (group_ * p_.vertical.in + i) * in_ * inner_;
    }
    const int64_t number = i / in_band_, slot = number % int64_t(kept_rows_.size());
    C* rows = rows_.data() + slot * in_band_ * in_ * inner_;
    if (kept_rows_[slot] != number) read(number * in_band_, std::min(in_band_, p_.vertical.in - number * in_band_), rows);
    kept_rows_[slot] = number;
    return rows + i % in_band_ * in_ * inner_;
  }

  void output_row(int64_t o, C* y) {
    const FirWindow w = fir_window(p_.vertical, o);
    const int64_t first = std::max<int64_t>(w.sample, 0);
    const int64_t last = std::min(w.sample + fir_count(p_.vertical, w.tap), p_.vertical.in);
    lines_.clear(), filters_.clear();
    if (plan_.product) {
      lines_.push_back(column_sum(first, last, plan_.down[0].of(w) + (first - w.sample)));
      filters_.push_back(&plan_.along[0]);
    }
    for (int64_t i = first; i < last && !plan_.product; ++i) {
      lines_.push_back(line(i));
      filters_.push_back(&plan_.along[w.tap + (i - w.sample) * p_.vertical.up]);
    }
    along(y);
  }

  // Row i of x with its zeros, dealt out.
  const C* line(int64_t i) {
    const int64_t slot = i % int64_t(kept_lines_.size());
    C* kept = ring_.data() + slot * line_.size();
    if (kept_lines_[slot] == i) return kept;
    kept_lines_[slot] = i;
    std::copy_n(row(i), in_ * inner_, (dealt_ ? line_.data() : kept) + plan_.before * inner_);
    if (dealt_) deal_out(kept);
    return kept;
  }

  // The sum of rows first to last - 1 with its zeros, dealt out.
  const C* column_sum(int64_t first, int64_t last, const C* taps) {
    sources_.clear();
    for (int64_t i = first; i < last; ++i) sources_.push_back(row(i));
    C* middle = line_.data() + plan_.before * inner_;
    weighted_sum<C>({middle, sources_.data(), taps, int(sources_.size()), in_ * inner_, 1, 0, 0});
    if (!dealt_) return line_.data();
    deal_out(streams_.data());
    return streams_.data();
  }

  // Pixel s + step * i of the line to place i of stream s.
  void deal_out(C* streams) const {
    const int64_t count = plan_.pixels / plan_.step;
    for (int64_t s = 0; s < plan_.step; ++s) {
      copy_pixels(line_.data() + s * inner_, plan_.step, streams + s * count * inner_, 1, count, inner_);
    }
  }

  // Where a line holds pixel i, counted from the first of its zeros.
  int64_t place(int64_t i) const {
    if (!dealt_) return i * inner_;
    return (i % plan_.step * (plan_.pixels / plan_.step) + i / plan_.step) * inner_;
  }

  void along(C* y) {
    const int64_t phases = plan_.phases, pitch = plan_.outputs(0) * inner_;
    for (int64_t o = 0; o < std::min(phases, out_); ++o) {
      const FirWindow w = fir_window(p_.horizontal, o);
      const int count = fir_count(p_.horizontal, w.tap);
      sources_.clear(), weights_.clear();
      for (size_t k = 0; k < lines_.size(); ++k) {
        for (int b = 0; b < count; ++b) {
          sources_.push_back(lines_[k] + place(w.sample + b + plan_.before));
          weights_.push_back(filters_[k]->of(w)[b]);
        }
      }
      Sum<C> sum{turned_ ? phases_.data() + o * pitch : y + o * inner_, sources_.data(), weights_.data(),
                 int(weights_.size()), inner_, plan_.outputs(o), phases * inner_, plan_.step * inner_};
      if (plan_.flat) sum.length *= sum.count, sum.count = 1;
      weighted_sum(sum);
    }
    for (int64_t o = 0; o < phases && turned_; ++o) {
      copy_pixels(phases_.data() + o * pitch, 1, y + o * inner_, phases, plan_.outputs(o), inner_);
    }
  }

  const FirPlan<C>& plan_;
  const Upfirdn2dParams& p_;
  const int64_t in_, out_, inner_;
  const bool direct_;  // x and y are read and written as they are
  const int64_t in_band_, out_band_;  // rows read and written at a time
  const bool dealt_, turned_;
  Scratch<C> line_, streams_, phases_;
  std::vector<int64_t> kept_rows_;  // which band of x each part of rows_ holds
  Scratch<C> rows_, result_, planar_;
  std::vector<int64_t> kept_lines_;  // which row of x each part of ring_ holds as a line (no product)
  Scratch<C> ring_;
  std::vector<const C*> lines_, sources_;
  std::vector<const FirTaps<C>*> filters_;
  std::vector<C> weights_;
  int64_t group_ = -1;
};

template <typename T>
void upfirdn2d_cpu(const Upfirdn2dParams& p) {
  const FirPlan<Compute<T>> plan(p);
  const int64_t elements = (p.horizontal.in + p.horizontal.out) * plan.inner;
  parallel(plan.groups() * p.vertical.out, elements, [&](int64_t begin, int64_t end) { FirRows<T>(plan).run(begin, end); });
}

}  // namespace gan
