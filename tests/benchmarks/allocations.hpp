// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace benchmarks {

/// What has been allocated: through operator new, and, where the library can be watched doing so,
/// through aligned_alloc, from which Asio takes the memory of coroutine frames.
struct allocations {
  std::int64_t blocks = 0;
  std::int64_t bytes = 0;
};

/// By all threads since the start of the program.
[[nodiscard]] allocations allocated_so_far() noexcept;

/// From now on the calling thread, which is not the first one, counts for itself: counters that
/// threads share would cost more than what is measured. One thread a slot, from 1 to 3.
void count_in_slot(std::size_t slot) noexcept;

}  // namespace benchmarks
