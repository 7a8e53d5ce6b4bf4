// SPDX-License-Identifier: MIT
//
// The options of Google Benchmark, and before them --iterations=N: each loop goes round N times.

#include "benchmarks/registry.hpp"

#include <benchmark/benchmark.h>

#include <asio_cancel_scope/version.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#if defined(__GLIBC__)
#  include <malloc.h>
#endif

namespace {

constexpr std::string_view iterations = "--iterations=";

/// Memory that has been freed stays with the program. Otherwise it is luck whether the end of the
/// heap is given back after each round, and a candidate pays for the same pages again and again.
void keep_memory() noexcept {
#if defined(__GLIBC__)
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);  // the most that glibc accepts
#endif
}

void add_context() {
  std::string const version = std::to_string(ACS_TEST_ASIO_VERSION / 100000) + "." +
                              std::to_string(ACS_TEST_ASIO_VERSION / 100 % 1000) + "." +
                              std::to_string(ACS_TEST_ASIO_VERSION % 100);
#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
  benchmark::AddCustomContext("asio", "Boost.Asio " + version);
#else
  benchmark::AddCustomContext("asio", "Asio " + version);
#endif
  benchmark::AddCustomContext("asio_cancel_scope", ASIO_CANCEL_SCOPE_VERSION_STRING);
#if defined(__clang__)
  benchmark::AddCustomContext("compiler", __VERSION__);
#elif defined(__GNUC__)
  benchmark::AddCustomContext("compiler", "g++ " __VERSION__);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]).starts_with(iterations)) {
    benchmarks::set_iterations(std::stoul(argv[1] + iterations.size()));
    std::rotate(argv + 1, argv + 2, argv + argc);
    --argc;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  add_context();
  keep_memory();

  benchmarks::add_hop();
  benchmarks::add_cancel();
  benchmarks::add_steady();
  benchmarks::add_empty();
  benchmarks::add_two();
  benchmarks::add_race();
  benchmarks::add_timeout();
  benchmarks::add_depth();
  benchmarks::add_other_thread();
  benchmarks::add_strands();

  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
