// SPDX-License-Identifier: MIT

// Uses everything that is public once, so that clang-tidy and the warnings of a compiler that
// optimises see each template with types put in. Never run.

#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"

#include <chrono>
#include <exception>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

awaitable<int> number() {
  co_return 1;
}
awaitable<void> nothing() {
  co_return;
}

awaitable<void> handles(cancel_scope<>& scope) {
  auto first = scope.spawn(number());
  auto second = scope.spawn(scope.get_executor(), nothing);
  auto third = scope.try_spawn(child_options().graceful().name("third"), number);
  scope.spawn(number(), [](std::exception_ptr const&, int) {});
  scope.spawn(asio::make_strand(scope.get_executor()), number);
  auto fourth = co_await scope.async_spawn(number(), use_awaitable);
  auto start = [](ready_signal<int> ready) -> awaitable<void> {
    ready(1);
    co_return;
  };
  int const ready = co_await scope.async_start<int>(start, use_awaitable);
  first.cancel();
  if (ready == 1 && !second.done()) co_await second.async_join(use_awaitable);
  if (third && third->done()) static_cast<void>(third->get());
  static_cast<void>(co_await fourth.async_join(use_awaitable));
}

awaitable<void> ends(cancel_scope<>& scope) {
  asio::steady_timer timer(scope.get_executor(), 1s);
  co_await timer.async_wait(scope.track(use_awaitable));
  cancel_on_signal(scope);
  shutdown_on_signal(scope, 1s);
  cancel_on_stop(scope, std::stop_token());
  scope.cancel_after(1s);
  scope.clear_deadline();
  scope.shutdown(1s);
  static_cast<void>(scope.shutdown_counts().finished());
  if (scope.size() == 0 && scope.cancelled_caught() && scope.cause() == cancel_cause::outer)
    scope.cancel();
}

awaitable<void> blocks() {
  auto body = [](cancel_scope<>& scope) -> awaitable<int> {
    co_await handles(scope);
    co_await ends(scope);
    co_return scope.deadline() && scope.name().empty() ? 1 : 0;
  };
  auto options = scope_options().name("tidy").max_children(8).deadline_after(1s);
  auto left = co_await with_cancel_scope(options, body);
  if (!left.has_value() || left.value() != *left) co_return;
  static_cast<void>(co_await move_on_after(1s, number()));
  static_cast<void>(co_await fail_after(1s, body));
  static_cast<void>(co_await shielded(1s, number));
  co_await with_cleanup(1s, nothing, nothing, [](std::exception_ptr const&) {});
  co_await checkpoint();
}

awaitable<void> groups(cancel_scope<>& scope) {
  std::vector<awaitable<int>> several;
  several.push_back(number());
  static_cast<void>(co_await race(number(), nothing()));
  static_cast<void>(co_await race(std::move(several)));
  static_cast<void>(co_await gather(number(), nothing()));
  child_queue<int> queue(scope);
  queue.add(scope.spawn(number()));
  static_cast<void>(co_await queue.async_next(use_awaitable));
}

}  // namespace

void use_everything(asio::io_context& context) {
  cancel_scope<> scope(context);
  scope.spawn(groups(scope));
  scope.spawn(blocks());
  scope.async_join([](std::exception_ptr const&) {});

  using strand = asio::strand<asio::io_context::executor_type>;
  cancel_scope<strand> on_strand(asio::make_strand(context));
  auto work = []() -> awaitable<void, strand> { co_return; };
  on_strand.spawn(work);
  on_strand.spawn(on_strand.get_executor(), work, [](std::exception_ptr const&) {});
}
