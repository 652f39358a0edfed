// What the parts of the engine share: the launch, its threads and their shared memory.
#pragma once

#include <cuda_runtime.h>

#include <mutex>
#include <string>
#include <vector>

#include "fiber.h"

namespace cuemu {

constexpr size_t kSharedLimit = 48 * 1024;
constexpr int kBuffers = 16;

// Where a CUDA thread stands.
enum class State { New, Ready, Running, Barrier, Warp, Done };

struct Thread {
  State state;
  Fiber* fiber;
  Place place;
  Warp kind;
  unsigned mask, operations;
  int source;
  uint64_t value, result;
};

struct Buffer {
  const void* key;
  size_t bytes;
  void* data;
};

// Addresses that stand for an order between threads; fresh per block, so that blocks stay unordered.
struct Tokens {
  char start, barrier[2], warp[1024][2];
};

enum class Order { Forward, Reverse, Shuffle };

struct Engine {
  std::mutex mutex;
  const char* kernel;
  void (*body)(void*);
  void* closure;
  Order mode;
  uint64_t random;
  Fiber scheduler;
  std::vector<Fiber*> workers, idle;
  std::vector<Thread> threads;
  std::vector<uint3> index;
  std::vector<int> order;
  size_t cursor;
  int current = -1, live, waiting;
  unsigned generation;
  int64_t block_number;  // in the order in which blocks run
  Place barrier_place;
  Buffer buffers[kBuffers];
  int buffer_count = 0;
  size_t dynamic_bytes;
  void* dynamic = nullptr;
  int error = 0;
  Tokens* tokens = nullptr;
  char finished;
};
extern Engine e;

[[noreturn]] void die(const std::string& what, Place place);

#if defined(CUEMU_TSAN)
inline void publish(void* token) { __tsan_release(token); }
inline void observe(void* token) { __tsan_acquire(token); }
struct Unseen {  // what happens in its lifetime is the engine's own business
  Unseen() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__), AnnotateIgnoreWritesBegin(__FILE__, __LINE__); }
  ~Unseen() { AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};
#else
inline void publish(void*) {}
inline void observe(void*) {}
struct Unseen {
  ~Unseen() {}
};
#endif

// Stops the current thread, in that state, until the scheduler goes on with it.
void park(State state, Place place);

// Shared memory: poison it for the next block; give it back.
void begin_block();
void end_blocks();

}  // namespace cuemu
