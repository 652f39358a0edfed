// Part of selftest.cu: warp operations, launch limits, conversions, and misuse of barriers and warps.

__global__ void __launch_bounds__(64) all_warp_operations(int* out) {
  const int lane = threadIdx.x % 32, value = threadIdx.x * 10, base = threadIdx.x / 32 * 320;
  bool right = __shfl_xor_sync(0xffffffffu, value, 5) == base + (lane ^ 5) * 10;
  right &= __shfl_up_sync(0xffffffffu, value, 3) == base + (lane < 3 ? lane : lane - 3) * 10;
  right &= __shfl_down_sync(0xffffffffu, value, 2, 8) == base + (lane % 8 < 6 ? lane + 2 : lane) * 10;
  right &= __shfl_sync(0xffffffffu, value, 9, 8) == base + (lane / 8 * 8 + 1) * 10;
  right &= __ballot_sync(0xffffffffu, lane % 3 == 0) == 0x49249249u;
  right &= __any_sync(0xffffffffu, lane == 7) && !__any_sync(0xffffffffu, lane == 40);
  right &= __all_sync(0xffffffffu, lane < 32) && !__all_sync(0xffffffffu, lane < 31);
  if (lane < 16) right &= __shfl_xor_sync(0x0000ffffu, 1.5 * lane, 1) == 1.5 * (lane ^ 1);
  __syncwarp();
  out[threadIdx.x] = right;
}

bool run_warps() {
  Array<int> out(64);
  CU_LAUNCH((all_warp_operations), 1, 64, 0, nullptr, out.data);
  return launch_status() == 0 && std::accumulate(out.data, out.data + 64, 0) == 64;
}

__global__ void touch(int* out) { atomicAdd(out, 1); }

// A launch that a GPU refuses runs no thread and leaves an error, which is told once.
bool run_limits() {
  Array<int> out(1);
  const struct {
    dim3 grid, block;
    size_t bytes;
    int error;
  } launches[] = {
      {1, 1024, 0, 0},           {1, 1025, 0, 9},        {1, dim3(2, 2, 65), 0, 9},
      {1, dim3(1, 1, 64), 0, 0}, {dim3(1, 65536), 1, 0, 9}, {dim3(1, 1, 65536), 1, 0, 9},
      {0, 1, 0, 9},              {1, 1, 48 * 1024, 0},   {1, 1, 48 * 1024 + 1, 1},
  };
  bool right = true;
  for (const auto& l : launches) {
    out[0] = 0;
    CU_LAUNCH((touch), l.grid, l.block, l.bytes, nullptr, out.data);
    right &= launch_status() == l.error && launch_status() == 0;
    right &= (out[0] == 0) == (l.error != 0);
  }
  return right;
}

// Rounding of the half types at a tie and in overflow; the grid helper at its ends.
bool run_types() {
  bool right = load(store<__half>(2049.0f)) == 2048 && load(store<__half>(2051.0f)) == 2052;
  right &= load(store<__nv_bfloat16>(257.0f)) == 256 && load(store<__nv_bfloat16>(259.0f)) == 260;
  right &= load(store<__half>(1e6f)) > 1e30f && load(store<double>(0.1)) == 0.1;
  right &= grid_size(0, 8) == 1 && grid_size(9, 8) == 2 && grid_size(int64_t{1} << 40, 8, 100) == 100;
  right &= dispatch(Dtype::BFloat16, [](auto t) { return int(sizeof(typename decltype(t)::type)); }) == 2;
  return right && VECTOR<__half> == 8 && VECTOR<double> == 2 && alignof(Vec<__half, 1>) == 2;
}

enum Misuse { TwoBarriers, EarlyEnd, LateBarrier, EndedLane, ForeignMask, MixedWarp, WaitingWarp, MuchShared, WarpRace };

template <Misuse M>
__global__ void __launch_bounds__(64) misuse(int* out) {
  const unsigned t = threadIdx.x;
  if (M == TwoBarriers) {
    if (t < 32) {
      __syncthreads();
    } else {
      __syncthreads();
    }
  }
  if (M == EarlyEnd && t == 5) return;
  if (M == EarlyEnd) __syncthreads();
  if (M == LateBarrier && t == 63) __syncthreads();
  if (M == EndedLane && t == 3) return;
  if (M == EndedLane) __syncwarp();
  if (M == ForeignMask) __shfl_xor_sync(0x0000ffffu, 1, 1);
  if (M == MixedWarp && t % 32 == 0) __syncwarp();
  if (M == MixedWarp && t % 32 != 0) __ballot_sync(0xffffffffu, 1);
  if (M == WaitingWarp && t == 0) __syncwarp(3);
  if (M == WaitingWarp && t > 0) __syncthreads();
  if (M == MuchShared) {
    CU_SHARED(double, large, [48 * 128 + 1]);
    large[t] = 0;
  }
  if (M == WarpRace) {
    CU_SHARED(int, neighbours, [64]);
    neighbours[t] = t;
    out[t] = neighbours[t ^ 1];
  }
  if (M != WarpRace) out[t] = 1;
}

template <Misuse M>
bool run_misuse() {
  Array<int> out(64);
  CU_LAUNCH((misuse<M>), 1, 64, 0, nullptr, out.data);
  return launch_status() == 0;
}
