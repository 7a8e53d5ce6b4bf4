// SPDX-License-Identifier: MIT
//
// n children that hop, on strands of a context that two threads run; the scope is on one too.

#include "benchmarks/children.hpp"
#include "benchmarks/registry.hpp"
#include "benchmarks/task_group.hpp"

#include <asio_cancel_scope/with_cancel_scope.hpp>

#include <cstddef>
#include <exception>
#include <list>
#include <utility>
#include <vector>

namespace benchmarks {

namespace {

/// Made once, and taken in turn: what a strand costs is not what is measured.
class strands {
 public:
  explicit strands(asio::io_context& context) {
    for (int n = 0; n != 16; ++n) strands_.emplace_back(asio::make_strand(context));
  }

  [[nodiscard]] any_executor const& next() noexcept { return strands_[next_++ % strands_.size()]; }

 private:
  std::vector<any_executor> strands_;
  std::size_t next_ = 0;
};

/// The yardstick for children that have executors of their own: their handlers come back to the
/// executor of the list, and each element knows where its signal is to be emitted.
class yardstick_of_strands {
 public:
  explicit yardstick_of_strands(any_executor const& ex) : executor_(ex), empty_(ex, never) {}
  yardstick_of_strands(yardstick_of_strands const&) = delete;
  yardstick_of_strands& operator=(yardstick_of_strands const&) = delete;

  [[nodiscard]] bool empty() const noexcept { return elements_.empty(); }

  void spawn(any_executor const& strand, asio::awaitable<void> child) {
    auto const at = elements_.emplace(elements_.end(), strand);
    asio::co_spawn(strand, std::move(child),
                   asio::bind_cancellation_slot(
                       at->signal.slot(),
                       asio::bind_executor(executor_, [this, at](std::exception_ptr const&) {
                         elements_.erase(at);
                         if (elements_.empty()) empty_.cancel();
                       })));
  }

  [[nodiscard]] auto async_join() {
    return empty_.async_wait(asio::redirect_error(asio::use_awaitable, ignored_));
  }

 private:
  struct element {
    explicit element(any_executor const& ex) : strand(ex) {}

    asio::cancellation_signal signal;
    any_executor strand;
  };

  any_executor const executor_;
  std::list<element> elements_;
  timer<any_executor> empty_;
  error_code ignored_;
};

asio::awaitable<void> strands_library(rounds& r) {
  strands all(r.context());
  auto const body = [&](asio_cancel_scope::cancel_scope<>& scope) -> asio::awaitable<void> {
    for (auto n = r.children(); n != 0; --n) scope.spawn(all.next(), hop());
    co_return;
  };
  while (r.next()) co_await asio_cancel_scope::with_cancel_scope(body);
}

asio::awaitable<void> strands_yardstick(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  strands all(r.context());
  while (r.next()) {
    yardstick_of_strands group(ex);
    for (auto n = r.children(); n != 0; --n) group.spawn(all.next(), hop());
    if (!group.empty()) co_await group.async_join();
  }
}

asio::awaitable<void> strands_task_group(rounds& r) {
  any_executor const ex = co_await asio::this_coro::executor;
  strands all(r.context());
  while (r.next()) {
    task_group group(ex);
    for (auto n = r.children(); n != 0; --n)
      asio::co_spawn(all.next(), hop(), group.adapt(ignore_outcome()));
    co_await group.async_wait(asio::use_awaitable);
  }
}

}  // namespace

void add_strands() {
  constexpr std::size_t n = 1000;
  add_on_pool("strands", n, "yardstick", strands_yardstick);
  add_on_pool("strands", n, "library", strands_library);
  add_on_pool("strands", n, "task_group", strands_task_group);
}

}  // namespace benchmarks
