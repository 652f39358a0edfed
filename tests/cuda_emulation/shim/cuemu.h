// Interface of the emulation engine: what the macros and functions of the stand-in cuda_runtime.h call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>

#include <vector_types.h>

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace cuemu {

struct Place {
  const char* file;
  int line;
};

enum class Warp { Shuffle, Ballot };

// Runs thread(closure) once for every CUDA thread of the grid, in the order that $CUEMU_ORDER names. A launch
// that a GPU would refuse runs nothing and leaves its error for cudaGetLastError.
void run(const char* kernel, dim3 grid, dim3 block, size_t shared_bytes, void (*thread)(void*), void* closure);

void barrier(Place place);

// The calling lane's result of a warp operation: for Shuffle the value of lane `source` (all bits set where that
// lane is not in the mask), for Ballot a bit per lane whose value is not 0.
uint64_t warp(Warp kind, unsigned mask, uint64_t value, int source, Place place);

int lane();

// Shared memory of the block: a buffer of exactly that size per key, poisoned when the block starts.
void* shared(const void* key, size_t bytes, Place place);
void* dynamic_shared();

int take_error();

// Converts the arguments once, as a launch does, and hands each thread its own copy.
template <typename... P, typename... A>
void launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, void*,
            A&&... arguments) {
  struct Call {
    void (*kernel)(P...);
    std::tuple<P...> arguments;
  } call{kernel, std::tuple<P...>(static_cast<A&&>(arguments)...)};
  const auto thread = [](void* closure) {
    Call& c = *static_cast<Call*>(closure);
    std::apply(c.kernel, c.arguments);
  };
  run(name, grid, block, shared_bytes, thread, &call);
}

template <typename T>
T shuffle(Place place, unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= 8, "shuffles move at most 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = warp(Warp::Shuffle, mask, bits, source, place);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

// Source lanes outside the segment of `width` lanes leave a lane its own value.
template <typename T>
T shuffle_xor(Place place, unsigned mask, T value, int other, int width = warpSize) {
  const int source = lane() ^ other;
  return shuffle(place, mask, value, source / width <= lane() / width ? source : lane());
}
template <typename T>
T shuffle_down(Place place, unsigned mask, T value, unsigned delta, int width = warpSize) {
  const int source = lane() + static_cast<int>(delta);
  return shuffle(place, mask, value, source / width == lane() / width ? source : lane());
}
template <typename T>
T shuffle_up(Place place, unsigned mask, T value, unsigned delta, int width = warpSize) {
  const int source = lane() - static_cast<int>(delta);
  return shuffle(place, mask, value, source >= lane() / width * width ? source : lane());
}
template <typename T>
T shuffle_index(Place place, unsigned mask, T value, int source, int width = warpSize) {
  return shuffle(place, mask, value, lane() / width * width + source % width);
}

inline unsigned ballot(Place place, unsigned mask, int predicate) {
  return static_cast<unsigned>(warp(Warp::Ballot, mask, predicate != 0, 0, place));
}
inline int all(Place place, unsigned mask, int predicate) { return ballot(place, mask, predicate) == mask; }
inline int any(Place place, unsigned mask, int predicate) { return ballot(place, mask, predicate) != 0; }
inline void sync(Place place, unsigned mask = 0xffffffffu) { ballot(place, mask, 1); }

// old = *p; *p = update(old), in one step that no other thread can break.
template <typename T, typename F>
T atomic(T* p, F update) {
  T old, wanted;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do {
    wanted = update(old);
  } while (!__atomic_compare_exchange(p, &old, &wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}

}  // namespace cuemu
