// SPDX-License-Identifier: MIT
#pragma once

// Replaces the global allocation functions of a test executable, to count what is allocated and to
// make an allocation fail. To be included in one source of it only.

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

#if defined(__GNUC__) && !defined(__clang__)
#  pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace allocation_hooks {

inline constexpr long never = std::numeric_limits<long>::max();

// Allocations that still succeed on this thread.
inline thread_local long left = never;
inline thread_local long failed = 0;
// How many may fail from then on.
inline thread_local long to_fail = never;
// Blocks in use.
inline std::atomic<long> blocks{0};
// Allocations on this thread so far.
inline thread_local long made = 0;

inline bool may_allocate() noexcept {
  ++made;
  if (left == never) {
    return true;
  }
  if (left > 0) {
    --left;
    return true;
  }
  if (++failed == to_fail) {
    left = never;
  }
  return false;
}

/// In its lifetime the allocation after `n` others fails, and all that follow it.
class no_memory_after {
 public:
  explicit no_memory_after(long n) noexcept {
    failed = 0;
    left = n;
  }
  no_memory_after(no_memory_after const&) = delete;
  no_memory_after& operator=(no_memory_after const&) = delete;
  ~no_memory_after() { left = never; }

  static bool has_failed() noexcept { return failed != 0; }
};

/// In its lifetime the allocation after `n` others fails, and those that follow it up to `count`.
class failures_after {
 public:
  failures_after(long n, long count) noexcept {
    failed = 0;
    to_fail = count;
    left = n;
  }
  failures_after(failures_after const&) = delete;
  failures_after& operator=(failures_after const&) = delete;
  ~failures_after() {
    left = never;
    to_fail = never;
  }

  static bool has_failed() noexcept { return failed != 0; }
};

}  // namespace allocation_hooks

// All forms that share memory with each other: a sanitizer would notice if one were missing.

void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  if (!allocation_hooks::may_allocate()) {
    return nullptr;
  }
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory) {
    ++allocation_hooks::blocks;
  }
  return memory;
}

void* operator new(std::size_t size) {
  if (void* const memory = operator new(size, std::nothrow)) {
    return memory;
  }
  throw std::bad_alloc();
}

void* operator new[](std::size_t size) {
  return operator new(size);
}
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept {
  return operator new(size, std::nothrow);
}

void operator delete(void* memory) noexcept {
  if (memory) {
    --allocation_hooks::blocks;
    std::free(memory);
  }
}

void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}
void operator delete(void* memory, std::nothrow_t const&) noexcept {
  operator delete(memory);
}
void operator delete[](void* memory) noexcept {
  operator delete(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  operator delete(memory);
}
void operator delete[](void* memory, std::nothrow_t const&) noexcept {
  operator delete(memory);
}

#if defined(__GLIBC__)
// Asio takes the memory of coroutine frames and operations from here, and gives it to free().
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
  if (!allocation_hooks::may_allocate()) {
    return nullptr;
  }
  void* memory = nullptr;
  auto const least = sizeof(void*);
  return posix_memalign(&memory, alignment < least ? least : alignment, size) == 0 ? memory
                                                                                   : nullptr;
}
#endif
