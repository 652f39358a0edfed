// Fibers: stacks that one OS thread switches between, and what the sanitizers must be told about them.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#if !defined(__x86_64__) && !defined(CUEMU_UCONTEXT)
#define CUEMU_UCONTEXT
#endif
#if defined(CUEMU_UCONTEXT)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(CUEMU_TSAN)  // the engine itself is compiled without -fsanitize=thread
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

#if !defined(CUEMU_UCONTEXT)
// Saves the callee's registers and stack pointer, takes over those of the other fiber: (void** save, void* load).
extern "C" void cuemu_switch(void** save, void* load);
asm(R"(
.text
.type cuemu_switch, @function
cuemu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuemu_switch, .-cuemu_switch
)");
#endif

namespace cuemu {

constexpr size_t kStack = 128 * 1024;

struct Fiber {
  const void* bottom = nullptr;
  size_t size = 0;
  void* asan = nullptr;  // AddressSanitizer's own stack of that fiber while it is parked
  void* tsan = nullptr;
#if defined(CUEMU_UCONTEXT)
  ucontext_t context;
#else
  void* top = nullptr;
#endif
};

// A fiber that begins with entry(), which must not return. Below the stack lies a page that nobody may touch.
inline Fiber* make_fiber(void (*entry)()) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, kStack + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) {
    std::perror("cuemu: no memory for a stack");
    std::abort();
  }
  Fiber* fiber = new Fiber;
  char* bottom = static_cast<char*>(memory) + page;
  fiber->bottom = bottom;
  fiber->size = kStack;
#if defined(CUEMU_TSAN)
  fiber->tsan = __tsan_create_fiber(0);
#endif
#if defined(CUEMU_UCONTEXT)
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = bottom;
  fiber->context.uc_stack.ss_size = kStack;
  makecontext(&fiber->context, entry, 0);
#else
  void** top = reinterpret_cast<void**>(bottom + kStack) - 8;
  for (int i = 0; i < 8; ++i) top[i] = nullptr;  // six registers, entry, no return address
  top[6] = reinterpret_cast<void*>(entry);
  fiber->top = top;
#endif
  return fiber;
}

// To be called first wherever a fiber goes on; `from` learns the bounds of the stack that it runs on.
inline void arrived(void* asan, Fiber* from) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(asan, &from->bottom, &from->size);
#else
  (void)asan, (void)from;
#endif
}

inline void switch_fiber(Fiber* from, Fiber* to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from->asan, to->bottom, to->size);
#endif
#if defined(CUEMU_TSAN)
  __tsan_switch_to_fiber(to->tsan, 1);  // 1: the switch itself puts nothing in order
#endif
#if defined(CUEMU_UCONTEXT)
  swapcontext(&from->context, &to->context);
#else
  cuemu_switch(&from->top, to->top);
#endif
  arrived(from->asan, to);
}

}  // namespace cuemu
