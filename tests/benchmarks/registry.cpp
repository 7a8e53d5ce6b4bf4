// SPDX-License-Identifier: MIT
#include "benchmarks/registry.hpp"

#include <benchmark/benchmark.h>

#include <chrono>
#include <exception>
#include <thread>

#if defined(__GLIBC__)
#  include <malloc.h>
#endif

namespace benchmarks {

namespace {

std::size_t iterations = 0;

/// Each measurement finds the heap in the same state, whoever was measured before.
void tidy_heap() noexcept {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

/// Keeps the reactor busy, as a program does that has sockets: a context on which nothing waits is
/// cheaper, and the first timer, whose ever it is, would pay for starting the reactor.
class started {
 public:
  explicit started(asio::io_context& context) : timer_(context, std::chrono::hours(1)) {
    timer_.async_wait([](error_code const&) {});
    context.poll();
  }

  void stop() { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
};

template <typename Executor, typename Run>
void measure(benchmark::State& state, asio::io_context& context, Executor const& ex,
             std::size_t children, loop<Executor> candidates_loop, Run run) {
  started keep(context);
  rounds all(state, context, children);
  std::exception_ptr failure;
  asio::co_spawn(ex, candidates_loop(all), [&](std::exception_ptr e) {
    failure = e;
    keep.stop();
  });
  run();
  if (failure) state.SkipWithError("the candidate has thrown");
}

template <typename Executor>
void on_one_thread(benchmark::State& state, std::size_t children, loop<Executor> candidates_loop) {
  tidy_heap();
  asio::io_context context(1);
  measure(state, context, Executor(context.get_executor()), children, candidates_loop,
          [&] { context.run(); });
}

void on_two_threads(benchmark::State& state, std::size_t children,
                    loop<any_executor> candidates_loop) {
  tidy_heap();
  asio::io_context context(2);
  measure(state, context, any_executor(asio::make_strand(context)), children, candidates_loop, [&] {
    std::thread second([&] {
      count_in_slot(1);
      context.run();
    });
    context.run();
    second.join();
  });
}

template <typename Measure, typename Executor>
benchmark::internal::Benchmark& add_measured(std::string const& line, std::size_t children,
                                             std::string const& candidate, Measure measured,
                                             loop<Executor> candidates_loop) {
  auto const name = line + "/" + std::to_string(children) + "/" + candidate;
  auto* const added = benchmark::RegisterBenchmark(
      name.c_str(), [=](benchmark::State& state) { measured(state, children, candidates_loop); });
  if (iterations != 0) added->Iterations(static_cast<benchmark::IterationCount>(iterations));
  return *added;
}

}  // namespace

void add(std::string const& line, std::size_t children, std::string const& candidate,
         loop<any_executor> candidates_loop) {
  add_measured(line, children, candidate, on_one_thread<any_executor>, candidates_loop);
}

void add(std::string const& line, std::size_t children, std::string const& candidate,
         loop<own_executor> candidates_loop) {
  add_measured(line, children, candidate, on_one_thread<own_executor>, candidates_loop);
}

void add_with_threads(std::string const& line, std::size_t children, std::string const& candidate,
                      loop<any_executor> candidates_loop) {
  add_measured(line, children, candidate, on_one_thread<any_executor>, candidates_loop)
      .UseRealTime();
}

void add_on_pool(std::string const& line, std::size_t children, std::string const& candidate,
                 loop<any_executor> candidates_loop) {
  add_measured(line, children, candidate, on_two_threads, candidates_loop).UseRealTime();
}

void set_iterations(std::size_t count) noexcept {
  iterations = count;
}

}  // namespace benchmarks
