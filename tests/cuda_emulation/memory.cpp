// Shared memory of the emulated blocks: one heap buffer of exactly the declared size per array, so that
// AddressSanitizer guards both its ends, filled with 0xff (NaN) whenever a block starts.
#include "state.h"

namespace cuemu {
namespace {

void* poisoned(size_t bytes) {
  void* data = nullptr;
  if (posix_memalign(&data, 128, bytes) != 0) std::abort();
  std::memset(data, 0xff, bytes);
  return data;
}

}  // namespace

void begin_block() {
#if defined(CUEMU_TSAN)  // fresh addresses: what the last block did to the old ones is forgotten
  end_blocks();
  Unseen unseen;
  std::free(e.tokens);
  e.tokens = static_cast<Tokens*>(poisoned(sizeof(Tokens)));
#else
  static Tokens unused;
  e.tokens = &unused;
  for (int i = 0; i < e.buffer_count; ++i) std::memset(e.buffers[i].data, 0xff, e.buffers[i].bytes);
#endif
  if (e.dynamic != nullptr) std::memset(e.dynamic, 0xff, e.dynamic_bytes);
  if (e.dynamic == nullptr) e.dynamic = poisoned(e.dynamic_bytes);
}

void end_blocks() {
  Unseen unseen;
  for (int i = 0; i < e.buffer_count; ++i) std::free(e.buffers[i].data);
  e.buffer_count = 0;
  std::free(e.dynamic);
  e.dynamic = nullptr;
}

void* shared(const void* key, size_t bytes, Place place) {
  size_t total = bytes + e.dynamic_bytes;
  for (int i = 0; i < e.buffer_count; ++i) {
    if (e.buffers[i].key == key) return e.buffers[i].data;
    total += e.buffers[i].bytes;
  }
  if (total > kSharedLimit || e.buffer_count == kBuffers) die("more than 48 KB of shared memory", place);
  Unseen unseen;
  e.buffers[e.buffer_count] = {key, bytes, poisoned(bytes)};
  return e.buffers[e.buffer_count++].data;
}

void* dynamic_shared() { return e.dynamic; }

}  // namespace cuemu
