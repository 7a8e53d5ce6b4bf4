// SPDX-License-Identifier: MIT
//
// Threads that do everything to one scope at once, round after round, with children on pools,
// strands and several contexts. When the scope has been left every child, every error and every
// handler must be accounted for.

#include "support/asio.hpp"
#include "support/wait_for.hpp"

#include "stress/driver.hpp"
#include "stress/ledger.hpp"

#include <asio_cancel_scope.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace asio_cancel_scope;
using stress::fate;
using stress::round;

constexpr int drivers = 3;
constexpr int deeds_of_each = 100;

scope_options any_options(round& r) {
  scope_options options;
  options.on_suppressed([&r](std::exception_ptr) { ++r.book.suppressed; });
  if (r.random() % 2 == 0) options.max_children(1 + r.random() % 16);
  if (r.random() % 4 == 0) options.policy(on_child_error::keep_running);
  return options;
}

/// What does not balance when the scope has just been left with `e`, or null.
char const* unbalanced(stress::ledger& book, std::exception_ptr const& e) {
  long thrown = 0;
  try {
    if (e) std::rethrow_exception(e);
  } catch (system_error const&) {
  } catch (std::runtime_error const&) {
    thrown = 1;
  }
  if (book.children != book.all_ended()) return "not every child has ended";
  if (book.of(fate::lost) != 0) return "a child was lost";
  if (!book.inside.balanced()) return "a token's handler is missing";
  if (book.errors != book.suppressed + thrown) return "an error is missing, or told twice";
  if (book.wrong_values != 0) return "a value, or an answer, is wrong";
  return nullptr;
}

/// Has `begin` leave the scope, in the host; the future tells what does not balance then.
template <typename Begin>
std::future<char const*> leave(round& r, Begin begin) {
  auto const verdict = std::make_shared<std::promise<char const*>>();
  auto handler = [&r, verdict](std::exception_ptr e) { verdict->set_value(unbalanced(r.book, e)); };
  asio::post(r.host, [&r, begin, handler = std::move(handler)] {
    begin(asio::bind_cancellation_slot(r.outside.slot(), asio::bind_executor(r.host, handler)));
  });
  return verdict->get_future();
}

void let_loose(round& r) {
  std::vector<std::thread> threads;
  for (int i = 0; i != drivers; ++i)
    threads.emplace_back([&r, seed = r.random()] { stress::driver(r, seed).go(deeds_of_each); });
  for (auto& t : threads) t.join();
}

void end(round& r) {
  if (r.random() % 2 == 0) r.scope.load()->cancel();
  r.release.set();
}

/// The scope will close as soon as it happens to be empty, while it is used.
void join_early(round& r) {
  auto& scope = *r.scope;
  scope.spawn(stress::child_of(r, stress::behaviour::waits));
  scope.async_join([&r](std::exception_ptr) { ++r.book.outside.answered; });
  ++r.book.outside.asked;
}

char const* object_round(round& r) {
  cancel_scope<> scope(r.where.any(r.random()), any_options(r));
  r.scope = &scope;
  if (r.random() % 2 == 0) join_early(r);
  let_loose(r);
  end(r);
  return wait_for(leave(r, [&scope](auto handler) { scope.async_join(std::move(handler)); }));
}

char const* block_round(round& r) {
  auto const body = [&r](cancel_scope<>& scope) -> awaitable<void> {
    r.scope = &scope;
    co_await r.release.wait_ignoring_cancellation();
  };
  auto const host = [&r, body]() -> awaitable<void> {
    co_await with_cancel_scope(any_options(r), body);
  };
  auto left =
      leave(r, [&r, host](auto handler) { asio::co_spawn(r.host, host, std::move(handler)); });
  if (!becomes_true([&] { return r.scope.load() != nullptr; })) return "the body has not started";
  let_loose(r);
  end(r);
  return wait_for(std::move(left));
}

/// Handlers that may come after the scope has been left.
char const* expect_the_rest(round& r) {
  return becomes_true([&] { return r.book.outside.balanced(); }) ? nullptr : "a handler is missing";
}

struct totals {
  long rounds = 0;
  long children = 0;
  long handlers = 0;
  long errors = 0;
  long refused = 0;
  std::array<long, stress::ledger::fates> ended{};

  void add(stress::ledger const& book) {
    ++rounds;
    children += book.children;
    handlers += book.inside.asked + book.outside.asked;
    errors += book.errors;
    refused += book.refused;
    for (std::size_t i = 0; i != ended.size(); ++i) ended[i] += book.ended[i];
  }

  [[nodiscard]] long of(fate f) const { return ended[static_cast<std::size_t>(f)]; }
};

/// Plays the round of this number. Does not return if it goes wrong.
void play(stress::places& where, std::uint64_t number, totals& all) {
  round r(where, number);
  char const* wrong = nullptr;
  try {
    wrong = number % 2 == 0 ? object_round(r) : block_round(r);
    if (!wrong) wrong = expect_the_rest(r);
  } catch (std::runtime_error const& e) {
    wrong = e.what();
  }
  all.add(r.book);
  if (!wrong) return;
  std::printf("round %llu: %s\n", static_cast<unsigned long long>(number), wrong);
  std::fflush(stdout);
  // Threads may still be at work in what would be destroyed.
  std::_Exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 1 && (argc != 3 || std::strcmp(argv[1], "--seconds") != 0)) {
    std::fprintf(stderr, "threads [--seconds N]\n");
    return 2;
  }
  std::chrono::seconds const limit(argc == 3 ? std::atol(argv[2]) : 60);
  auto const begin = std::chrono::steady_clock::now();
  totals all;
  stress::places where;
  for (std::uint64_t number = 1; std::chrono::steady_clock::now() - begin < limit; ++number)
    play(where, number, all);
  std::printf("%ld rounds of %d threads, %ld children: %ld never started, %ld finished, %ld cut, ",
              all.rounds, drivers, all.children, all.of(fate::never_started),
              all.of(fate::finished), all.of(fate::cut));
  std::printf("%ld failed, none lost; %ld handlers, %ld errors, %ld calls refused\n",
              all.of(fate::failed), all.handlers, all.errors, all.refused);
  return 0;
}
