// SPDX-License-Identifier: MIT

// Durations of every kind: units, fractions, what is too long for the clock, what is no number.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/ended.hpp"
#include "support/manual_event.hpp"
#include "support/manual_timer.hpp"
#include "support/run.hpp"

#include <asio_cancel_scope.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <string>

using namespace asio_cancel_scope;
using namespace std::chrono_literals;

namespace {

using ticks = std::chrono::steady_clock::duration;
template <typename Rep>
using seconds_of = std::chrono::duration<Rep>;
template <typename Rep>
using years_of = std::chrono::duration<Rep, std::ratio<31556952>>;

enum class meant { never, at_once, later };

// Gives `d` to everything that takes a limit; each must take it for the same.
template <typename Duration>
bool all_take(Duration d, meant what, ticks later = {}) {
  manual_clock time;
  asio::io_context ctx;
  bool same = true;

  auto const is_meant = [&](cancel_scope<>& scope) {
    auto const at = scope.deadline();
    switch (what) {
      case meant::never: return !at && !scope.cancel_called() && time.waits() == 0;
      case meant::at_once: return at && *at <= time.now() && scope.cancel_called();
      case meant::later:
        return at && *at == time.now() + later && !scope.cancel_called() && time.waits() == 1;
    }
    return false;
  };
  {
    cancel_scope<> scope(ctx);
    scope.cancel_after(d);
    same = same && is_meant(scope);
  }
  {
    cancel_scope<> scope(ctx, scope_options().deadline_after(d));
    same = same && is_meant(scope);
  }
  {
    scope_options options;
    options.deadline_after(d);
    cancel_scope<> scope(ctx, options);
    same = same && is_meant(scope);
  }
  {
    manual_event never;
    cancel_scope<> scope(ctx);
    scope.spawn(never.wait());
    drain(ctx);
    scope.shutdown(d);
    drain(ctx);
    bool const forced = scope.size() == 0;
    same = same && forced == (what == meant::at_once);
    same = same && time.waits() == (what == meant::later ? 1U : 0U);
    scope.cancel();
    drain(ctx);
  }

  bool const runs = what != meant::at_once;
  std::string const failed = runs ? "value" : "timed_out";
  run(ctx, [&]() -> awaitable<void> {
    bool ran = false;
    auto const body = [&](cancel_scope<>& scope) -> awaitable<void> {
      ran = true;
      same = same && is_meant(scope);
      co_return;
    };
    auto const result = co_await move_on_after(d, body);
    same = same && ran == runs && result.cancelled_caught() == !runs;
    ran = false;
    auto word = co_await ended(fail_after(d, body));
    same = same && ran == runs && word == failed;
    ran = false;
    word = co_await ended(shielded(d, body));
    same = same && ran == runs && word == failed;
  });
  return same;
}

template <typename Duration>
bool is_never(Duration d) {
  return all_take(d, meant::never);
}

template <typename Duration>
bool is_at_once(Duration d) {
  return all_take(d, meant::at_once);
}

template <typename Duration>
bool is_later(Duration d, ticks later) {
  return all_take(d, meant::later, later);
}

}  // namespace

TEST_CASE("rule 17: a duration may be of any chrono type", "[deadline][duration]") {
  CHECK(is_later(1ns, 1ns));
  CHECK(is_later(1us, 1us));
  CHECK(is_later(3s, 3s));
  CHECK(is_later(2h, 2h));
  CHECK(is_later(std::chrono::days(3), 72h));
  CHECK(is_later(1.5s, 1500ms));
  CHECK(is_later(seconds_of<float>(0.5F), 500ms));
  CHECK(is_later(seconds_of<long double>(2.25L), 2250ms));
  CHECK(is_later(std::chrono::duration<double, std::ratio<60>>(0.5), 30s));
  CHECK(is_later(std::chrono::duration<std::int8_t>(std::int8_t(100)), 100s));
  CHECK(is_later(std::chrono::duration<std::uint16_t, std::milli>(std::uint16_t(60000)), 60s));
  CHECK(is_later(std::chrono::duration<std::uint64_t, std::nano>(7U), 7ns));
  CHECK(is_later(std::chrono::duration<int, std::ratio<2, 7>>(7), 2s));
  CHECK(is_later(years_of<int>(1), std::chrono::seconds(31556952)));
}

TEST_CASE("B143: a fraction of a tick is rounded up so that nothing fires early",
          "[deadline][duration]") {
  CHECK(is_later(std::chrono::duration<double, std::nano>(0.25), 1ns));
  CHECK(is_later(std::chrono::duration<double, std::nano>(10.5), 11ns));
  CHECK(is_later(std::chrono::duration<int, std::ratio<1, 3>>(1), 333333334ns));
  CHECK(is_later(std::chrono::duration<int, std::pico>(1), 1ns));
  CHECK(is_later(std::chrono::duration<int, std::pico>(1001), 2ns));
  // 105 years, of which there are more nanoseconds times the numerator than fit.
  CHECK(is_later(std::chrono::duration<std::int64_t, std::ratio<1, 60>>(200000000000),
                 3333333333333333334ns));
  CHECK(is_later(std::chrono::duration<std::int64_t, std::pico>(2000), 2ns));
}

TEST_CASE("B141: the longest duration of every type is never", "[deadline][duration]") {
  CHECK(is_never(std::chrono::nanoseconds::max()));
  CHECK(is_never(std::chrono::microseconds::max()));
  CHECK(is_never(std::chrono::milliseconds::max()));
  CHECK(is_never(std::chrono::seconds::max()));
  CHECK(is_never(std::chrono::minutes::max()));
  CHECK(is_never(std::chrono::hours::max()));
  CHECK(is_never(std::chrono::days::max()));
  CHECK(is_never(seconds_of<float>::max()));
  CHECK(is_never(seconds_of<double>::max()));
  CHECK(is_never(seconds_of<long double>::max()));
  CHECK(is_never(seconds_of<std::uint64_t>::max()));
  CHECK(is_never(std::chrono::duration<std::uint64_t, std::nano>::max()));
  CHECK(is_never(years_of<std::int64_t>::max()));
  CHECK(is_never(years_of<double>::max()));
}

TEST_CASE("B141: what is too long for the clock is never", "[deadline][duration]") {
  CHECK(is_never(ticks::max() - 1ns));
  CHECK(is_never(ticks::max() - 900h));
  CHECK(is_never(std::chrono::duration_cast<std::chrono::hours>(ticks::max())));
  CHECK(is_never(seconds_of<double>(std::numeric_limits<double>::infinity())));
  CHECK(is_never(seconds_of<float>(std::numeric_limits<float>::infinity())));
  CHECK(is_never(years_of<int>(300)));
  CHECK(is_never(years_of<float>(1e30F)));
  CHECK(is_never(std::chrono::duration<std::uint64_t, std::nano>(1ULL << 63U)));
  // In these units the longest that the clock knows has no exact value.
  CHECK(is_never(seconds_of<float>(9223371776.0F)));
  CHECK(is_never(std::chrono::duration<double, std::milli>(9223372036854.775)));
  // The clock of these tests began 1000 hours ago: this just fits.
  CHECK(is_later(ticks::max() - 1001h, ticks::max() - 1001h));
}

TEST_CASE("B141: nothing and less than nothing is at once", "[deadline][duration]") {
  CHECK(is_at_once(0s));
  CHECK(is_at_once(0.0s));
  CHECK(is_at_once(-1ns));
  CHECK(is_at_once(-1h));
  CHECK(is_at_once(std::chrono::duration<double, std::nano>(-0.5)));
  CHECK(is_at_once(std::chrono::nanoseconds::min()));
  CHECK(is_at_once(std::chrono::seconds::min()));
  CHECK(is_at_once(std::chrono::hours::min()));
  CHECK(is_at_once(years_of<std::int64_t>::min()));
  CHECK(is_at_once(seconds_of<double>::min() - 1s));
  CHECK(is_at_once(-seconds_of<double>::max()));
  CHECK(is_at_once(seconds_of<double>(-std::numeric_limits<double>::infinity())));
  CHECK(is_at_once(seconds_of<unsigned>(0U)));
}

TEST_CASE("B141: what is no number is at once and not for ever", "[deadline][duration]") {
  CHECK(is_at_once(seconds_of<double>(std::numeric_limits<double>::quiet_NaN())));
  CHECK(is_at_once(seconds_of<float>(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("B141: the first and the last point in time", "[deadline][duration]") {
  manual_clock time;
  asio::io_context ctx;
  cancel_scope<> never(ctx, scope_options().deadline_at(manual_clock::time_point::max()));
  CHECK_FALSE(never.deadline());
  CHECK_FALSE(never.cancel_called());
  CHECK(time.timers_made() == 0);
  never.cancel_at(manual_clock::time_point::max() - 1ns);
  CHECK(never.deadline() == manual_clock::time_point::max() - 1ns);
  CHECK_FALSE(never.cancel_called());
  cancel_scope<> past(ctx, scope_options().deadline_at(manual_clock::time_point::min()));
  CHECK(past.cancel_called());
  CHECK(past.cause() == cancel_cause::deadline);
}
