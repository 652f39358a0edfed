// The engine's own test: sound kernels whose result is known, and the same ones with planted bugs.
//
//   selftest CASE...    exit status 0: all values are right; 1: those of the named cases are wrong; 2: no such case
#include "cuda_common.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

using namespace gan;
enum Bug { None, FirstSync, SecondSync, Shared, Global, Row, Misaligned };

// What the device sees: exactly so many elements on the heap, where AddressSanitizer guards both ends.
template <typename T>
struct Array {
  T* data;
  size_t count;
  explicit Array(size_t n, T fill = T()) : data(nullptr), count(n) {
    if (posix_memalign(reinterpret_cast<void**>(&data), 64, n * sizeof(T)) != 0) std::abort();
    std::fill(data, data + n, fill);
  }
  Array(const Array&) = delete;
  ~Array() { std::free(data); }
  T& operator[](size_t i) { return data[i]; }
};

Array<float>& ramp(Array<float>& x) {
  for (size_t i = 0; i < x.count; ++i) x[i] = static_cast<float>(i % 97) - 40;
  return x;
}

template <int V, Bug B>
__global__ void __launch_bounds__(256) axpy(const float* x, float* y, float a, int64_t n) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x * V;
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * V; i < n; i += step) {
    Vec<float, V> v = load_vec<V>(x + (B == Misaligned), i), w = load_vec<V>(y, i);
#pragma unroll
    for (int k = 0; k < V; ++k) w[k] += a * v[k];
    store_vec<V>(y, i + (B == Global && i + V >= n), w);
  }
}

template <int V, Bug B = None>
bool run_axpy() {
  const int64_t n = 4096 + 4 * V;
  Array<float> x(n + (B == Misaligned)), y(n, 1);
  ramp(x);
  CU_LAUNCH((axpy<V, B>), 3, 256, 0, nullptr, x.data, y.data, 2.0f, n);
  bool right = launch_status() == 0;
  for (int64_t i = 0; i < n; ++i) right &= y[i] == 1 + 2 * x[i];
  return right;
}

// Separable sum over 4x4 windows, in tiles: load 35x35, add along rows, then along columns.
constexpr int kTile = 32, kSpan = kTile + 3;
template <Bug B>
__global__ void __launch_bounds__(128) window_sum(const float* x, float* y, int height, int width) {
  CU_SHARED(float, tile, [kSpan][kSpan]);
  CU_SHARED(float, rows, [kSpan][kTile]);
  const int top = blockIdx.y * kTile, left = blockIdx.x * kTile;
  for (int i = threadIdx.x; i < kSpan * kSpan; i += blockDim.x) {
    const int r = top + i / kSpan, c = left + i % kSpan;
    tile[i / kSpan][i % kSpan + (B == Row && i % kSpan == kSpan - 1)] = r < height && c < width ? x[r * width + c] : 0;
  }
  if (B != FirstSync) __syncthreads();
  for (int i = threadIdx.x; i < kSpan * kTile; i += blockDim.x) {
    const float* t = &tile[i / kTile][i % kTile];
    rows[i / kTile][i % kTile] = t[0] + t[1] + t[2] + t[3];
  }
  if (B != SecondSync) __syncthreads();
  for (int i = threadIdx.x; i < kTile * kTile; i += blockDim.x) {
    const int r = i / kTile, c = i % kTile;
    const float* column = &rows[r][c];
    const int last = B == Shared ? 4 : 3;
    const float sum = column[0] + column[kTile] + column[2 * kTile] + column[last * kTile];
    if (top + r < height && left + c < width) y[(top + r) * width + left + c] = sum;
  }
}

template <Bug B = None>
bool run_window() {
  const int height = 41, width = 50;
  Array<float> x(height * width), y(height * width, -1);
  ramp(x);
  CU_LAUNCH((window_sum<B>), dim3(2, 2), 128, 0, nullptr, x.data, y.data, height, width);
  bool right = launch_status() == 0;
  for (int r = 0; r < height; ++r) {
    for (int c = 0; c < width; ++c) {
      float sum = 0;
      for (int i = r; i < std::min(r + 4, height); ++i) {
        for (int j = c; j < std::min(c + 4, width); ++j) sum += x[i * width + j];
      }
      right &= y[r * width + c] == sum;
    }
  }
  return right;
}

template <Bug B>
__global__ void __launch_bounds__(256) transpose(const float* x, float* y, int n) {
  CU_DYN_SHARED(float, tile);
  const int r0 = blockIdx.y * 32, c0 = blockIdx.x * 32;
  for (int r = threadIdx.y; r < 32; r += 8) tile[r * 33 + threadIdx.x + (B == Shared)] = x[(r0 + r) * n + c0 + threadIdx.x];
  if (B != FirstSync) __syncthreads();
  for (int r = threadIdx.y; r < 32; r += 8) y[(c0 + r) * n + r0 + threadIdx.x] = tile[threadIdx.x * 33 + r + (B == Shared)];
}

template <Bug B = None>
bool run_transpose() {
  const int n = 96;
  Array<float> x(n * n), y(n * n);
  ramp(x);
  const size_t bytes = (32 * 33 - 1) * sizeof(float);  // the last element of the last row is padding
  CU_LAUNCH((transpose<B>), dim3(n / 32, n / 32), dim3(32, 8), bytes, nullptr, x.data, y.data, n);
  bool right = launch_status() == 0;
  for (int i = 0; i < n * n; ++i) right &= y[i] == x[i % n * n + i / n];
  return right;
}

template <typename T, Bug B>
__global__ void __launch_bounds__(256) sum(const T* x, T* total, int64_t n) {
  CU_SHARED(Compute<T>, partial, [8]);
  Compute<T> s = 0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x; i < n; i += gridDim.x * 256) s += load(x[i]);
  for (int d = 16; d > 0; d /= 2) s += __shfl_down_sync(0xffffffffu, s, d);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = s;
  if (B != FirstSync) __syncthreads();
  if (threadIdx.x >= 32) return;
  s = threadIdx.x < 8 ? partial[threadIdx.x] : 0;
  for (int d = 4; d > 0; d /= 2) s += __shfl_xor_sync(0xffffffffu, s, d);
  if (threadIdx.x == 0 && B == Global) *total = store<T>(load(*total) + s);
  if (threadIdx.x == 0 && B != Global) atomicAdd(total, store<T>(s));
}

template <typename T, Bug B = None>
bool run_sum() {
  const int64_t n = 1500;
  Array<T> x(n), total(1);
  double expected = 0;
  for (int64_t i = 0; i < n; ++i) {
    x[i] = static_cast<T>(static_cast<float>(i % 7));
    expected += i % 7;
  }
  CU_LAUNCH((sum<T, B>), 3, 256, 0, nullptr, x.data, total.data, n);
  return launch_status() == 0 && total[0] == expected;
}

__global__ void __launch_bounds__(256) count(const float* x, int* bins, int n) {
  CU_SHARED(int, local, [16]);
  if (threadIdx.x < 16) local[threadIdx.x] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&local[static_cast<int>(x[i] + 40) % 16], 1);
  }
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&bins[threadIdx.x], local[threadIdx.x]);
}

bool run_count() {
  const int n = 3000;
  Array<float> x(n);
  Array<int> bins(16);
  ramp(x);
  CU_LAUNCH((count), 2, 256, 0, nullptr, x.data, bins.data, n);
  int expected[16] = {};
  for (int i = 0; i < n; ++i) ++expected[i % 97 % 16];
  return launch_status() == 0 && std::equal(expected, expected + 16, bins.data);
}

#include "selftest_warps.h"

struct Case {
  const char* name;
  bool (*run)();
};
const Case kCases[] = {
    {"axpy_vector", run_axpy<4>}, {"axpy_scalar", run_axpy<1>}, {"window", run_window<>},
    {"transpose", run_transpose<>}, {"sum_float", run_sum<float>}, {"sum_double", run_sum<double>},
    {"count", run_count}, {"warps", run_warps}, {"limits", run_limits}, {"types", run_types},
    {"no_sync_1", run_window<FirstSync>}, {"no_sync_2", run_window<SecondSync>},
    {"no_sync_3", run_transpose<FirstSync>}, {"no_sync_4", run_sum<float, FirstSync>},
    {"beyond_shared", run_window<Shared>}, {"beyond_dynamic", run_transpose<Shared>},
    {"beyond_global", run_axpy<1, Global>}, {"beyond_row", run_window<Row>}, {"misaligned", run_axpy<4, Misaligned>},
    {"blocks_race", run_sum<float, Global>}, {"two_barriers", run_misuse<TwoBarriers>},
    {"early_end", run_misuse<EarlyEnd>}, {"late_barrier", run_misuse<LateBarrier>},
    {"ended_lane", run_misuse<EndedLane>}, {"foreign_mask", run_misuse<ForeignMask>},
    {"mixed_warp", run_misuse<MixedWarp>}, {"waiting_warp", run_misuse<WaitingWarp>},
    {"much_shared", run_misuse<MuchShared>}, {"warp_race", run_misuse<WarpRace>},
};

}  // namespace

int main(int count, char** arguments) {
  int status = 0;
  for (int i = 1; i < count; ++i) {
    const auto named = [&](const Case& c) { return std::strcmp(c.name, arguments[i]) == 0; };
    const Case* found = std::find_if(std::begin(kCases), std::end(kCases), named);
    if (found == std::end(kCases)) return 2;
    if (found->run()) continue;
    std::printf("wrong: %s\n", arguments[i]);
    status = 1;
  }
  return status;
}
