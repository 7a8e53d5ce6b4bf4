// SPDX-License-Identifier: MIT
#pragma once

#include "benchmarks/rounds.hpp"
#include "support/asio.hpp"

#include <cstddef>
#include <string>

namespace benchmarks {

/// The executor that the library uses unless it is told otherwise, and the one that people write
/// who do not want to pay for that: candidates that can use either are measured with both.
using any_executor = asio::any_io_executor;
using own_executor = asio::io_context::executor_type;

/// A candidate's loop.
template <typename Executor>
using loop = asio::awaitable<void, Executor> (*)(rounds&);

/// Adds a benchmark named "line/children/candidate", measured on one thread.
void add(std::string const& line, std::size_t children, std::string const& candidate,
         loop<any_executor> candidates_loop);
void add(std::string const& line, std::size_t children, std::string const& candidate,
         loop<own_executor> candidates_loop);

/// The same where other threads take part: real time counts.
void add_with_threads(std::string const& line, std::size_t children, std::string const& candidate,
                      loop<any_executor> candidates_loop);

/// The same on a strand of a context that two threads run.
void add_on_pool(std::string const& line, std::size_t children, std::string const& candidate,
                 loop<any_executor> candidates_loop);

/// How often each loop goes round; 0, the default, until the time is over.
void set_iterations(std::size_t count) noexcept;

// The lines of work, each in a file of its name.
void add_hop();
void add_cancel();
void add_steady();
void add_empty();
void add_two();
void add_race();
void add_timeout();
void add_depth();
void add_other_thread();
void add_strands();

}  // namespace benchmarks
