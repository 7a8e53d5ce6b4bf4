// SPDX-License-Identifier: MIT
#include <asio_cancel_scope.hpp>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/manual_event.hpp"
#include "support/run.hpp"

#include <exception>
#include <optional>
#include <string>
#include <vector>

using namespace asio_cancel_scope;

namespace {

using cancellation = asio::cancellation_type;

char letter(cancellation type) {
  switch (type) {
    case cancellation::terminal: return 'T';
    case cancellation::partial: return 'P';
    case cancellation::total: return 't';
    default: return '?';
  }
}

// A child that lets every type through, notes each, and ends when `over` is set by the test.
awaitable<void> note_types(std::string& seen, manual_event& over) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!over.is_set()) {
    try {
      co_await until_cancelled([&](cancellation type) { seen += letter(type); });
    } catch (system_error const&) {
    }
  }
}

struct noting_scope {
  asio::io_context ctx;
  manual_event over;
  std::string child_saw;
  std::string body_saw;
  cancel_scope<>* scope = nullptr;
  std::optional<child<void>> handle;
  std::optional<host> h;

  noting_scope() {
    h.emplace(ctx, [this]() -> awaitable<void> {
      co_await with_cancel_scope([this](cancel_scope<>& s) -> awaitable<void> {
        scope = &s;
        handle = s.spawn(note_types(child_saw, over));
        co_await note_types(body_saw, over);
      });
    });
    drain(ctx);
  }

  void cancel(cancellation type) {
    scope->cancel(type);
    drain(ctx);
  }

  void check_both_saw(std::string const& types) {
    CHECK(child_saw == types);
    CHECK(body_saw == types);
  }
};

}  // namespace

TEST_CASE("rule 8: stronger requests are sent one after the other", "[cancel_scope][cancel]") {
  noting_scope s;
  s.cancel(cancellation::total);
  s.check_both_saw("t");
  s.cancel(cancellation::partial);
  s.check_both_saw("tP");
  s.cancel(cancellation::terminal);
  s.check_both_saw("tPT");
}

TEST_CASE("rule 8: a later weaker request is not sent", "[cancel_scope][cancel]") {
  noting_scope s;
  SECTION("after terminal") {
    s.cancel(cancellation::terminal);
    s.cancel(cancellation::partial);
    s.cancel(cancellation::total);
    s.check_both_saw("T");
  }
  SECTION("after partial") {
    s.cancel(cancellation::partial);
    s.cancel(cancellation::total);
    s.check_both_saw("P");
    s.cancel(cancellation::terminal);
    s.check_both_saw("PT");
  }
}

TEST_CASE("rule 6 rule 8: the same request is sent once", "[cancel_scope][cancel]") {
  auto const type = GENERATE(cancellation::terminal, cancellation::partial, cancellation::total);
  noting_scope s;
  s.cancel(type);
  s.cancel(type);
  s.scope->cancel(type);
  s.cancel(type);
  s.check_both_saw(std::string(1, letter(type)));
}

TEST_CASE("rule 8: a mask counts as its strongest bit", "[cancel_scope][cancel]") {
  noting_scope s;
  SECTION("partial and total") {
    s.cancel(cancellation::partial | cancellation::total);
    s.check_both_saw("P");
    s.cancel(cancellation::partial);
    s.check_both_saw("P");
    s.cancel(cancellation::terminal | cancellation::total);
    s.check_both_saw("PT");
  }
  SECTION("all") {
    s.cancel(cancellation::all);
    s.check_both_saw("T");
    s.cancel(cancellation::terminal);
    s.check_both_saw("T");
  }
  SECTION("of a handle") {
    s.handle->cancel(cancellation::partial | cancellation::total);
    drain(s.ctx);
    CHECK(s.child_saw == "P");
    s.handle->cancel(cancellation::partial);
    drain(s.ctx);
    CHECK(s.child_saw == "P");
    s.handle->cancel(cancellation::all);
    drain(s.ctx);
    CHECK(s.child_saw == "PT");
    CHECK(s.body_saw == "");
  }
}

TEST_CASE("rule 8: a request with no type does nothing", "[cancel_scope][cancel]") {
  noting_scope s;
  s.cancel(cancellation::none);
  s.handle->cancel(cancellation::none);
  drain(s.ctx);
  s.check_both_saw("");
  CHECK(!s.scope->cancel_called());
  CHECK(s.scope->cause() == cancel_cause::none);
  CHECK(!s.scope->get_stop_token().stop_requested());
  s.cancel(cancellation::total);
  s.check_both_saw("t");
  s.cancel(cancellation::none);
  s.check_both_saw("t");
  CHECK(s.scope->cause() == cancel_cause::requested);
}

TEST_CASE("rule 8: the strongest type is remembered for each child", "[child][cancel]") {
  noting_scope s;
  SECTION("the handle was stronger than the scope") {
    s.handle->cancel(cancellation::terminal);
    drain(s.ctx);
    s.cancel(cancellation::total);
    CHECK(s.child_saw == "T");
    CHECK(s.body_saw == "t");
    s.cancel(cancellation::terminal);
    CHECK(s.child_saw == "T");
    CHECK(s.body_saw == "tT");
  }
  SECTION("the handle was weaker than the scope") {
    s.handle->cancel(cancellation::total);
    drain(s.ctx);
    CHECK(s.child_saw == "t");
    s.cancel(cancellation::partial);
    CHECK(s.child_saw == "tP");
    CHECK(s.body_saw == "P");
  }
  SECTION("the scope was stronger than the handle") {
    s.cancel(cancellation::terminal);
    s.handle->cancel(cancellation::partial);
    s.handle->cancel(cancellation::terminal);
    drain(s.ctx);
    s.check_both_saw("T");
  }
  SECTION("the scope was weaker than the handle") {
    s.cancel(cancellation::total);
    s.handle->cancel(cancellation::terminal);
    drain(s.ctx);
    CHECK(s.child_saw == "tT");
    CHECK(s.body_saw == "t");
  }
  SECTION("the same type from both") {
    s.handle->cancel(cancellation::total);
    s.cancel(cancellation::total);
    s.handle->cancel(cancellation::total);
    drain(s.ctx);
    s.check_both_saw("t");
  }
}

TEST_CASE("rule 8: a stronger request from inside the emission of a weaker one overtakes it",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  cancel_scope<> scope(ctx);
  manual_event over;
  std::string seen[3];
  auto const raises = [&]() -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!over.is_set()) {
      try {
        co_await until_cancelled([&](cancellation type) {
          seen[0] += letter(type);
          scope.cancel(cancellation::terminal);
        });
      } catch (system_error const&) {
      }
    }
  };
  scope.spawn(note_types(seen[1], over));
  scope.spawn(raises);
  scope.spawn(note_types(seen[2], over));
  drain(ctx);
  asio::post(ctx, [&] { scope.cancel(cancellation::total); });
  drain(ctx);
  // The operation of the child in the middle was over when terminal came.
  CHECK(seen[0] == "t");
  // Who had been told total gets terminal too, who had not gets terminal alone.
  CHECK((seen[1] == "tT" || seen[1] == "T"));
  CHECK((seen[2] == "tT" || seen[2] == "T"));
}

TEST_CASE("B049: a type reaches a child as far as the filter of the child lets it",
          "[cancel_scope][cancel]") {
  asio::io_context ctx;
  manual_event event;
  std::string ended;
  auto const note = [&](char name) {
    return [&ended, name](std::exception_ptr e) {
      ended += name;
      ended += is_aborted(e) ? "! " : " ";
    };
  };
  constexpr auto all = cancellation::all;
  cancel_scope<> scope(ctx);
  scope.spawn([&]() -> awaitable<void> { co_await event.wait(all); }, note('d'));
  scope.spawn(
      [&]() -> awaitable<void> {
        co_await asio::this_coro::reset_cancellation_state(asio::enable_partial_cancellation());
        co_await event.wait(all);
      },
      note('p'));
  scope.spawn(
      [&]() -> awaitable<void> {
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        co_await event.wait(all);
      },
      note('t'));
  scope.spawn(
      [&]() -> awaitable<void> {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await event.wait(all);
      },
      note('n'));
  scope.spawn(
      // What comes in as any type goes out as none: the operation is not told.
      [&]() -> awaitable<void> {
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation(),
                                                           asio::disable_cancellation());
        co_await event.wait(all);
        co_await event.wait(all);
      },
      note('o'));
  drain(ctx);
  CHECK(event.waiters() == 5);
  scope.cancel(cancellation::total);
  drain(ctx);
  CHECK(ended == "t! ");
  scope.cancel(cancellation::partial);
  drain(ctx);
  CHECK(ended == "t! p! ");
  scope.cancel(cancellation::terminal);
  drain(ctx);
  CHECK(ended == "t! p! d! ");
  CHECK(scope.size() == 2);
  event.set();
  drain(ctx);
  CHECK(ended == "t! p! d! n o! ");
}

TEST_CASE("B197: the cancellation state of a child shows the request through nested awaitables",
          "[cancel_scope][query]") {
  asio::io_context ctx;
  manual_event event;
  std::vector<cancellation> states;
  auto const note_state = [&]() -> awaitable<void> {
    asio::cancellation_state const state = co_await asio::this_coro::cancellation_state;
    states.push_back(state.cancelled());
  };
  auto const nested = [&]() -> awaitable<void> { co_await note_state(); };
  cancel_scope<> scope(ctx);
  scope.spawn([&]() -> awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await note_state();
    co_await event.wait_ignoring_cancellation();
    co_await note_state();
    co_await nested();
  });
  drain(ctx);
  scope.cancel();
  drain(ctx);
  event.set();
  drain(ctx);
  CHECK(states == std::vector{cancellation::none, cancellation::terminal, cancellation::terminal});
}
