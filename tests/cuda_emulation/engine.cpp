// Runs the threads of CUDA kernels on one CPU thread: block after block, every CUDA thread a fiber.
//
// A worker fiber runs CUDA thread after CUDA thread as plain calls. Only a thread that reaches a barrier or a warp
// operation is parked together with that fiber, and another worker goes on with the next thread; a kernel without
// barriers so costs no switches. Errors that a GPU would turn into a hang or into undefined behaviour end the
// process with a message. $CUEMU_ORDER: forward (default), reverse, shuffle or shuffle:SEED.
//
// CUEMU_TSAN: the CUDA threads are told to ThreadSanitizer, one of its fibers each, ordered by launches, barriers and
// warp operations only, so that it reports races between them, also between those of different blocks.
#include "state.h"

#include <algorithm>
#include <numeric>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace cuemu {

Engine e;

[[noreturn]] void die(const std::string& what, Place place) {
  std::fprintf(stderr, "cuemu: %s at %s:%d in %s, block (%u, %u, %u), thread (%u, %u, %u)\n", what.c_str(), place.file,
               place.line, e.kernel, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
  std::fflush(stderr);
  std::abort();
}

void park(State state, Place place) {
  const int me = e.current;
  Thread& thread = e.threads[me];
  thread.state = state, thread.place = place;
  switch_fiber(thread.fiber, &e.scheduler);
  thread.state = State::Running;
}

namespace {

uint64_t next_random() {  // splitmix64
  uint64_t z = e.random += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void set_order() {
  const char* chosen = std::getenv("CUEMU_ORDER");
  const std::string name = chosen == nullptr ? "forward" : chosen;
  e.random = 0;
  if (name == "forward") {
    e.mode = Order::Forward;
  } else if (name == "reverse") {
    e.mode = Order::Reverse;
  } else if (name.rfind("shuffle", 0) == 0) {
    e.mode = Order::Shuffle;
    if (name.size() > 8) e.random = std::strtoull(name.c_str() + 8, nullptr, 10);
  } else {
    die("CUEMU_ORDER must be forward, reverse, shuffle or shuffle:SEED", {name.c_str(), 0});
  }
}

void shuffle_threads() {
  if (e.mode != Order::Shuffle) return;
  for (size_t i = e.order.size() - 1; i > 0; --i) std::swap(e.order[i], e.order[next_random() % (i + 1)]);
}

// --- threads ---------------------------------------------------------------------------------------------------

void release_barrier() {
  for (Thread& thread : e.threads) {
    if (thread.state == State::Barrier) thread.state = State::Ready;
  }
  e.waiting = 0;
  ++e.generation;
}

void enter(int thread) {
  e.current = thread;
  threadIdx = e.index[thread];
}

void run_thread(int thread, Fiber* fiber) {
  enter(thread);
  e.threads[thread].state = State::Running;
  e.threads[thread].fiber = fiber;
  observe(&e.tokens->start);
  e.body(e.closure);
  publish(&e.finished);
  e.threads[thread].state = State::Done;
  --e.live;
  if (e.waiting > 0) die("divergent __syncthreads: this thread ends while others wait", e.barrier_place);
}

Fiber* starting;  // the worker that is switched to for the first time

void work() {
  Fiber* const me = starting;
  arrived(nullptr, &e.scheduler);
  for (;;) {
#if defined(CUEMU_TSAN)  // one CUDA thread a fiber: ThreadSanitizer must know whose stack it sees
    run_thread(e.order[e.cursor++], me);
#else
    while (e.cursor < e.order.size()) run_thread(e.order[e.cursor++], me);
    e.idle.push_back(me);
#endif
    switch_fiber(me, &e.scheduler);
  }
}

Fiber* idle_worker() {
#if defined(CUEMU_TSAN)  // two sets in turn, as what two blocks do is in no order
  const size_t count = e.order.size(), slot = e.order[e.cursor] + e.block_number % 2 * count;
  while (e.workers.size() < 2 * count) e.workers.push_back(make_fiber(work));
  starting = e.workers[slot];
#else
  if (e.idle.empty()) {
    e.workers.push_back(make_fiber(work));
    e.idle.push_back(e.workers.back());
  }
  starting = e.idle.back();
  e.idle.pop_back();
#endif
  return starting;
}

// A full pass over the threads; false if none could go on.
bool resume_ready() {
  bool progress = false;
  shuffle_threads();
  for (int thread : e.order) {
    if (e.threads[thread].state != State::Ready) continue;
    progress = true;
    enter(thread);
    switch_fiber(&e.scheduler, e.threads[thread].fiber);
  }
  return progress;
}

void run_block() {
  shuffle_threads();
  std::fill(e.threads.begin(), e.threads.end(), Thread{});
  e.cursor = 0, e.waiting = 0, e.generation = 0;
  e.live = static_cast<int>(e.threads.size());
  while (e.cursor < e.order.size()) switch_fiber(&e.scheduler, idle_worker());
  while (e.live > 0) {
    if (resume_ready()) continue;
    for (int thread : e.order) {
      const State state = e.threads[thread].state;
      if (state != State::Barrier && state != State::Warp) continue;
      enter(thread);
      die(state == State::Warp ? "deadlock: a warp operation waits for lanes that never come"
                               : "deadlock: __syncthreads waits for threads that never come",
          e.threads[thread].place);
    }
  }
}

// --- launches --------------------------------------------------------------------------------------------------

cudaError_t refused(dim3 grid, dim3 block, size_t shared_bytes) {
  const uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.x > 1024 || block.y > 1024 || block.z > 64) {
    return cudaErrorInvalidConfiguration;
  }
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
    return cudaErrorInvalidConfiguration;
  }
  return shared_bytes > kSharedLimit ? cudaErrorInvalidValue : cudaSuccess;
}

void set_threads(dim3 block) {
  e.index.clear();
  for (unsigned z = 0; z < block.z; ++z) {
    for (unsigned y = 0; y < block.y; ++y) {
      for (unsigned x = 0; x < block.x; ++x) e.index.push_back({x, y, z});
    }
  }
  e.threads.resize(e.index.size());
  e.order.resize(e.index.size());
  std::iota(e.order.begin(), e.order.end(), 0);
  if (e.mode == Order::Reverse) std::reverse(e.order.begin(), e.order.end());
}

// The i-th block to run: with a step that shares no factor with their number, every one has its turn.
int64_t visit(int64_t i, int64_t count, int64_t step) {
  if (e.mode == Order::Reverse) return count - 1 - i;
  return e.mode == Order::Forward ? i : static_cast<int64_t>(static_cast<__int128>(i) * step % count);
}

}  // namespace

void run(const char* kernel, dim3 grid, dim3 block, size_t shared_bytes, void (*thread)(void*), void* closure) {
  std::lock_guard<std::mutex> lock(e.mutex);
  if (const cudaError_t error = refused(grid, block, shared_bytes)) {
    e.error = error;
    return;
  }
  const int64_t count = static_cast<int64_t>(grid.x) * grid.y * grid.z;
  int64_t step = 1;
  {
    Unseen unseen;
    e.kernel = kernel, e.body = thread, e.closure = closure, e.dynamic_bytes = shared_bytes;
    set_order();
    set_threads(block);
    step = static_cast<int64_t>(next_random() % static_cast<uint64_t>(count)) | 1;
    while (std::gcd(step, count) != 1) ++step;
    blockDim = block, gridDim = grid;
  }
#if defined(CUEMU_TSAN)
  e.scheduler.tsan = __tsan_get_current_fiber();
#endif
  for (int64_t i = 0; i < count; ++i) {
    const int64_t b = visit(i, count, step);
    e.block_number = i;
    blockIdx = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                static_cast<unsigned>(b / grid.x / grid.y)};
    begin_block();
    publish(&e.tokens->start);
    run_block();
  }
  observe(&e.finished);
  end_blocks();
  e.current = -1;
}

void barrier(Place place) {
  if (e.waiting > 0 && (place.line != e.barrier_place.line || std::strcmp(place.file, e.barrier_place.file) != 0)) {
    die("divergent __syncthreads: others wait at line " + std::to_string(e.barrier_place.line) + ", this thread", place);
  }
  if (e.live < static_cast<int>(e.threads.size())) die("divergent __syncthreads: other threads have ended", place);
  e.barrier_place = place;
  char* const token = &e.tokens->barrier[e.generation % 2];
  publish(token);
  e.threads[e.current].state = State::Barrier;
  const bool last = ++e.waiting == e.live;
  if (last) release_barrier();
  park(last ? State::Ready : State::Barrier, place);
  observe(token);
}

int take_error() {
  const int error = e.error;
  e.error = 0;
  return error;
}

}  // namespace cuemu
