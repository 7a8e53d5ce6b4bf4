// SPDX-License-Identifier: MIT
#pragma once

#include "benchmarks/allocations.hpp"
#include "support/asio.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>

namespace benchmarks {

/// The loop of a candidate: `while (r.next()) { … }`, written into one coroutine, so that nobody
/// pays for a frame that his users would not have. Each round is the work once, with `children()`
/// children. The first round is not measured: it warms up what is recycled.
class rounds {
 public:
  rounds(benchmark::State& state, asio::io_context& context, std::size_t children) noexcept
      : state_(state), context_(context), children_(children) {}
  rounds(rounds const&) = delete;
  rounds& operator=(rounds const&) = delete;

  [[nodiscard]] std::size_t children() const noexcept { return children_; }
  [[nodiscard]] asio::io_context& context() const noexcept { return context_; }

  [[nodiscard]] bool next() {
    if (done_++ == 0) return true;
    if (done_ == 2) before_ = allocated_so_far();
    if (state_.KeepRunning()) return true;
    report();
    return false;
  }

 private:
  void report() {
    auto const after = allocated_so_far();
    auto const all = static_cast<double>(children_) * static_cast<double>(state_.iterations());
    state_.counters["children"] = static_cast<double>(children_);
    state_.counters["allocations"] = static_cast<double>(after.blocks - before_.blocks) / all;
    state_.counters["bytes"] = static_cast<double>(after.bytes - before_.bytes) / all;
  }

  benchmark::State& state_;
  asio::io_context& context_;
  std::size_t const children_;
  allocations before_;
  std::size_t done_ = 0;
};

}  // namespace benchmarks
