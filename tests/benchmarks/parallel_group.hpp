// SPDX-License-Identifier: MIT
#pragma once

#include "benchmarks/children.hpp"
#include "support/asio.hpp"

#include <cstddef>
#include <utility>
#include <vector>

#if defined(ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
#  include <boost/asio/experimental/parallel_group.hpp>
#else
#  include <asio/experimental/parallel_group.hpp>
#endif

// Of a number that is not known when the program is compiled there are groups since Asio 1.25.
#if ACS_TEST_ASIO_VERSION >= 102500
#  define ACS_BENCHMARK_RANGED_GROUP
#endif

namespace benchmarks {

#if defined(ACS_BENCHMARK_RANGED_GROUP)
/// Asio's group of `n` children that `make` makes.
template <typename Make>
[[nodiscard]] auto group_of(any_executor const& ex, std::size_t n, Make make) {
  using operation = decltype(asio::co_spawn(ex, make(), compat::deferred));
  std::vector<operation> operations;
  operations.reserve(n);
  for (; n != 0; --n) operations.push_back(asio::co_spawn(ex, make(), compat::deferred));
  return asio::experimental::make_parallel_group(std::move(operations));
}
#endif

/// A child as an operation for a group: Asio 1.22 cannot defer co_spawn of an awaitable.
template <typename Make>
class child_operation {
 public:
  child_operation(any_executor const& ex, Make make) : executor_(ex), make_(make) {}

  template <typename CompletionToken>
  auto operator()(CompletionToken&& token) {
    return asio::co_spawn(executor_, make_(), std::forward<CompletionToken>(token));
  }

 private:
  any_executor executor_;
  Make make_;
};

}  // namespace benchmarks
