// SPDX-License-Identifier: MIT
#include "benchmarks/allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

#if defined(__GLIBC__)
#  include <malloc.h>
#endif

namespace benchmarks {

namespace {

// Written by one thread, read by others: atomic, but never read-modify-write.
struct alignas(64) counter {
  std::atomic<std::int64_t> blocks{0};
  std::atomic<std::int64_t> bytes{0};
};

constinit counter counters[4];
constinit thread_local counter* mine = &counters[0];

void add(std::atomic<std::int64_t>& to, std::int64_t value) noexcept {
  to.store(to.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

void count(std::size_t size) noexcept {
  add(mine->blocks, 1);
  add(mine->bytes, static_cast<std::int64_t>(size));
}

}  // namespace

allocations allocated_so_far() noexcept {
  allocations sum;
  for (auto const& each : counters) {
    sum.blocks += each.blocks.load(std::memory_order_relaxed);
    sum.bytes += each.bytes.load(std::memory_order_relaxed);
  }
  return sum;
}

void count_in_slot(std::size_t slot) noexcept {
  mine = &counters[slot];
}

}  // namespace benchmarks

void* operator new(std::size_t size) {
  benchmarks::count(size);
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}

void* operator new[](std::size_t size) {
  return operator new(size);
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

#if defined(__GLIBC__)
// As glibc's own, which is memalign too.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
  benchmarks::count(size);
  return memalign(alignment, size);
}
#endif
