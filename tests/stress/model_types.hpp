// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

// What the model of the rules speaks of.

namespace model {

using mask = unsigned;  // the bits of asio::cancellation_type
inline constexpr mask nothing = 0;
inline constexpr mask terminal = 1;
inline constexpr mask partial = 2;
inline constexpr mask total = 4;

constexpr int strength(mask m) {
  return (m & terminal) != 0 ? 3 : (m & partial) != 0 ? 2 : (m & total) != 0 ? 1 : 0;
}
constexpr mask strongest(mask m) {
  constexpr std::array<mask, 4> by_strength{nothing, total, partial, terminal};
  return by_strength[static_cast<std::size_t>(strength(m))];
}

enum class cause { none, requested, deadline, child_error, outer };
enum class role { host, body, child, operation };
enum class phase { waits_for_room, queued, running, gone, retired, forgotten };
enum class end { none, returned, failed, cut, never_started };
enum class awaits { no_one, operation, block, child, scope, room, hop };
enum class form { object, telling, failing, shielded };
enum class entry { accepted, never_starts, closed, full, no };

inline constexpr int nobody = -1;
inline constexpr long never = std::numeric_limits<long>::max();

struct outcome {
  bool is_error = false;
  int number = 0;  // the value, or the number of the error
};

struct task {
  role who = role::child;
  int scope = nobody;
  int strand = 0;
  bool is_service = false;
  bool has_token = false;
  long order = 0;
  bool forgone = false;

  phase at = phase::queued;
  end how = end::none;
  bool has_outcome = false;
  outcome out;
  bool taken = false;

  mask asked = nothing;        // of it alone
  mask sent = nothing;         // the strongest that it has seen
  bool told_alone = false;     // what it has seen last was not for the whole scope
  bool told_with_all = false;  // it has seen what was
  bool told_by_both = false;   // the stronger one of two that had not been sent
  bool in_flight = false;      // what the whole scope was asked for last came from another strand

  // The coroutine, as Asio has it.
  mask filter = terminal;
  mask latch = nothing;
  bool throws = true;

  awaits on = awaits::no_one;
  int what = nobody;  // the scope or child that it waits for
  bool wait_cancelled = false;
  bool wait_undecided = false;  // it was told and what it waits for ended, in one handler
  long retired_in = 0;          // the handler
};

struct scope {
  form kind = form::object;
  int owner = nobody;  // who awaits the block
  int body = nobody;
  int strand = 0;
  bool fails_with_children = true;
  bool has_observer = false;
  std::size_t room_for = std::numeric_limits<std::size_t>::max();

  mask requested = nothing;
  cause why = cause::none;
  bool outer = false;
  bool cut = false;
  bool maybe_cut = false;  // the rules do not say whether
  bool closed = false;
  bool abandoned = false;
  bool shutting_down = false;
  bool services_end = false;
  int first_error = nobody;
  std::vector<int> reported;  // errors that were not the first

  std::size_t live = 0, children = 0, lasting = 0;
  std::size_t joins = 0;
  std::deque<int> room;
  std::size_t finished = 0, forced = 0;

  long deadline = never;
  long grace_end = never;
  bool may_be_due = false;  // a time has come, and its handler may have run

  bool is_block() const { return kind != form::object; }
};

/// What leaving a scope must give.
struct leaving {
  enum class kind { throws_first, throws_aborted, throws_timed_out, returns };
  kind what = kind::returns;
  int error = nobody;
  bool has_value = false;
  int value = 0;
};

}  // namespace model
