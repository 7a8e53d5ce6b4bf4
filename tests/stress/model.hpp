// SPDX-License-Identifier: MIT
#pragma once

#include "stress/model_types.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace model {

/// The rules of the library as a plain state machine: no Asio, no coroutine, and nothing of the
/// library. It is told what is asked for and what is seen, in the order in which it happens; it
/// says what must come of it, and notes the first thing that must not have happened.
class machine {
 public:
  static constexpr int rules = 27;

  std::deque<task> tasks;  // references into these two stay valid
  std::deque<scope> scopes;
  std::vector<bool> errors;                           // whether each is a cancellation error
  std::array<std::uint64_t, rules + 1> checked{};     // comparisons made
  std::array<std::uint64_t, rules + 1> situations{};  // of which a rule speaks in particular
  long now = 0;
  int strand = nobody;          // whose handler runs
  int entering = nobody;        // the task whose spawn is under way
  std::vector<int> suppressed;  // what observers must be given now
  std::vector<int> retiring;    // ended, and may or may not have been taken out of the count yet

  bool failed() const { return !why_.empty(); }
  std::string const& why() const { return why_; }

  /// Something that rule `rule` demands.
  bool expect(bool holds, int rule, char const* what, int who = nobody) {
    ++checked[static_cast<std::size_t>(rule)];
    if (!holds && why_.empty())
      why_ = "rule " + std::to_string(rule) + ": " + what +
             (who == nobody ? "" : " (" + std::to_string(who) + ")");
    return holds;
  }

  /// A situation of which rule `rule` speaks.
  void met(int rule) { ++situations[static_cast<std::size_t>(rule)]; }

  task& t(int id) { return tasks[static_cast<std::size_t>(id)]; }
  scope& s(int id) { return scopes[static_cast<std::size_t>(id)]; }

  // ---------------------------------------------------------------------------------- starting

  int add_task(task const& what) {
    tasks.push_back(what);
    return static_cast<int>(tasks.size()) - 1;
  }

  int add_scope(scope const& what) {
    scopes.push_back(what);
    return static_cast<int>(scopes.size()) - 1;
  }

  /// A child is spawned. `waits`: for room; `asks`: with try_spawn.
  entry enter(int id, bool waits, bool asks) {
    settle();
    auto& in = s(t(id).scope);
    if (in.closed) return forget(id, entry::closed, 3);
    bool const full = in.children >= in.room_for;
    if (asks && (full || in.requested != nothing)) return forget(id, entry::no, 25);
    if (full && in.requested == nothing) {
      if (!waits) return forget(id, entry::full, 25);
      met(25);
      t(id).at = phase::waits_for_room;
      in.room.push_back(id);
      return entry::accepted;
    }
    enroll(id);
    if (in.is_block() && t(in.body).at >= phase::gone) met(2);
    return in.requested != nothing ? entry::never_starts : entry::accepted;
  }

  /// An operation is adopted: it starts whatever has been requested.
  entry adopt(int id) {
    settle();
    auto& in = s(t(id).scope);
    if (in.closed) return forget(id, entry::closed, 3);
    if (in.children >= in.room_for) return forget(id, entry::full, 25);
    enroll(id);
    t(id).at = phase::running;
    t(id).in_flight = in.requested != nothing;
    return entry::accepted;
  }

  /// An adopted operation does not take place.
  void forgo(int id) {
    settle();
    t(id).how = end::returned;
    t(id).forgone = true;
    retire(id);
  }

  /// A block is entered: gives its scope; the body is the next task.
  int enter_block(int owner, scope what, int body, long deadline) {
    settle();
    auto const before = t(owner).latch;
    what.owner = owner;
    what.body = body;
    what.strand = t(owner).strand;
    int const id = add_scope(what);
    t(body).scope = id;
    t(owner).on = awaits::block;
    t(owner).what = id;
    if (what.kind != form::shielded && before != nothing) request(id, before, cause::outer);
    set_deadline(id, deadline);
    enroll(body);
    return id;
  }

  void started(int id) {
    auto& who = t(id);
    if (who.who == role::host) {
      who.at = phase::running;
      return;
    }
    expect(who.at == phase::queued, 4, "a task has started that was not to start", id);
    expect(wanted(id) == nothing, 5, "a task has started that was told before", id);
    expect(strand == who.strand, 4, "a task has started on another executor", id);
    expect(entering != id, 4, "a child has started inside spawn", id);
    for (std::size_t i = 0; i != tasks.size(); ++i) {
      auto const& other = tasks[i];
      if (other.scope == who.scope && other.strand == who.strand && other.order < who.order &&
          other.who == role::child)
        expect(other.at != phase::queued || wanted(static_cast<int>(i)) != nothing, 4,
               "a child has started before one that was spawned earlier", id);
    }
    who.at = phase::running;
    met(4);
  }

  // ------------------------------------------------------------------------------------ ending

  /// The code of the task decides how it ends.
  void ends_with(int id, outcome out) {
    t(id).has_outcome = true;
    t(id).out = out;
  }

  /// The last of the task, its frame or its callable, is destroyed.
  void gone(int id) {
    auto& who = t(id);
    if (who.at == phase::forgotten || who.who == role::operation) return;
    if (who.who == role::host) {
      who.at = phase::retired;
      return;
    }
    if (who.at == phase::waits_for_room) {
      // The wait for room has been cancelled.
      expect(who.asked != nothing, 25, "a child that waits for room was destroyed", id);
      who.at = phase::forgotten;
      return;
    }
    if (who.at == phase::queued)
      expect(strand == who.strand || entering == id, 5,
             "a child that never starts was destroyed on another executor", id);
    else
      expect(strand == who.strand, 1, "a child was destroyed on another executor", id);
    expect(who.at == phase::queued || who.has_outcome, 1, "a running child was destroyed", id);
    gone_.push_back(id);
  }

  /// What is gone takes effect: to be called before anything else is looked at.
  void settle() {
    while (!gone_.empty()) {
      int const id = gone_.front();
      gone_.erase(gone_.begin());
      conclude(id);
    }
  }

  /// The task is not counted any more.
  void retire(int id) {
    auto& who = t(id);
    auto& in = s(who.scope);
    std::erase(retiring, id);
    if (who.at == phase::retired) return;
    who.at = phase::retired;
    who.retired_in = turns_;
    if (who.how == end::cut || who.how == end::never_started) note_cut(who, in);
    if (in.shutting_down && who.who != role::body && !who.is_service &&
        who.how != end::never_started && !who.forgone)
      ++(who.sent == terminal ? in.forced : in.finished);
    --in.live;
    if (who.who != role::body) --in.children;
    if (!who.is_service) --in.lasting;
    if (!in.room.empty() && in.children < in.room_for) {
      int const next = in.room.front();
      in.room.pop_front();
      met(25);
      enroll(next);
    }
    if (in.joins != 0) leave_if_left(in);
  }

  /// An adopted operation calls its handler.
  void operation_ends(int id, bool aborted) {
    auto& who = t(id);
    expect(who.at == phase::running && !who.has_outcome, 26, "an operation has ended twice", id);
    expect(strand == who.strand, 26, "the handler of an operation runs elsewhere", id);
    ends_with(id, {aborted, 0});
    conclude(id);
  }

  /// The handler of a token, or of an adopted operation, is about to return.
  void token_returned(int id) {
    returned_.push_back(id);
    gone_.push_back(id);
    met(t(id).who == role::operation ? 26 : 12);
  }

  /// An object's join is asked for.
  void join(int id) {
    settle();
    auto& in = s(id);
    ++in.joins;
    leave_if_left(in);
  }

  /// What leaving gives now. The scope of a block is left by this.
  leaving leave(int id) {
    settle();
    auto& in = s(id);
    expect(in.live == 0, 1, "a scope was left with children in it", id);
    expect(in.closed, 3, "a scope was left that is not closed", id);
    leaving to;
    if (in.is_block()) {
      auto& owner = t(in.owner);
      expect(strand == owner.strand, 1, "a block was left on another executor", id);
      if (in.kind != form::shielded && owner.latch != nothing) in.outer = true;
      owner.on = awaits::no_one;
      met(1);
      if (owner.latch != nothing || !owner.throws) met(15);
      if (in.outer && !in.cut) met(14);
      if (in.outer && in.why != cause::outer) met(16);
      if (in.kind == form::shielded && owner.latch != nothing) met(22);
      auto const& body = t(in.body);
      to.has_value = body.how == end::returned;
      to.value = body.out.number;
    }
    if (in.first_error != nobody) {
      to.what = leaving::kind::throws_first;
      to.error = in.first_error;
      met(in.requested != nothing && in.why != cause::child_error ? 13 : 11);
    } else if (in.outer && in.cut) {
      to.what = leaving::kind::throws_aborted;
      met(14);
    } else if (in.kind == form::failing || in.kind == form::shielded) {
      if (in.kind == form::failing) met(18);
      if (in.cut && in.why == cause::deadline)
        to.what = leaving::kind::throws_timed_out;
      else if (!to.has_value)
        to.what = leaving::kind::throws_aborted;
    } else {
      met(in.cut ? 10 : 1);
    }
    return to;
  }

  // ---------------------------------------------------------------------------------- cancelling

  void request(int id, mask what, cause why) {
    settle();
    auto const type = strongest(what);
    auto& in = s(id);
    if (type == nothing) return;
    if (why == cause::outer) in.outer = true;
    if (in.closed) return;
    if (in.requested == nothing) in.why = why;
    if (strength(type) < strength(in.requested)) met(8);
    if (strength(type) > strength(in.requested)) {
      in.requested = type;
      for (auto& who : tasks)
        if (who.scope == id) who.in_flight = strand != who.strand || in.may_be_due;
    }
    refuse_room(in);
  }

  void request_of(int id, mask what) {
    settle();
    auto& who = t(id);
    if (who.at >= phase::retired || who.at == phase::waits_for_room) return;
    if (strength(what) > strength(who.asked)) who.asked = strongest(what);
  }

  void shut_down(int id, long grace) {
    settle();
    auto& in = s(id);
    if (in.closed) return;
    bool const at_once = grace <= 0 || in.shutting_down;
    request(id, at_once ? terminal : total, cause::requested);
    s(id).shutting_down = true;
    s(id).grace_end = at_once ? never : now + grace;
    met(18);
  }

  void set_deadline(int id, long at) {
    settle();
    auto& in = s(id);
    if (in.closed) return;
    in.deadline = at;
    if (at <= now) request(id, terminal, cause::deadline);
  }

  void abandon(int id) {
    settle();
    auto& in = s(id);
    if (!in.closed && in.joins == 0 && in.first_error != nobody) {
      if (in.has_observer) suppressed.push_back(in.first_error);
      in.first_error = nobody;
      met(3);
    }
    in.abandoned = true;
    if (in.live != 0) met(19);
    if (in.live != 0) request(id, terminal, cause::requested);
  }

  /// A handler of strand `of` is about to run: it may be that of a timer.
  void time_may_strike(int of) {
    for (auto& in : scopes)
      if (in.strand == of && is_due(in)) in.may_be_due = true;
  }

  /// The library says that the scope has been cancelled, for `why`, which the machine does not
  /// know.
  bool struck(int id, cause why) {
    auto& in = s(id);
    if (why != cause::deadline || !in.may_be_due || in.deadline > now) return false;
    expect(strand == in.strand, 17, "a deadline has struck on another executor", id);
    request(id, terminal, cause::deadline);
    met(17);
    return true;
  }

  /// What is wanted of a task, by whomever.
  mask wanted(int id) {
    auto const& who = t(id);
    if (who.scope == nobody) return nothing;
    auto const& in = s(who.scope);
    if (who.who == role::body && in.shutting_down) return terminal;
    if (who.is_service && in.services_end) return terminal;
    return strength(who.asked) > strength(in.requested) ? who.asked : in.requested;
  }

  /// Whether it is known why a task has been told.
  bool explains(int id, mask type) {
    auto const& in = s(t(id).scope);
    return (wanted(id) & t(id).filter) == type ||
           (type == terminal && in.requested != nothing && in.may_be_due);
  }

  /// A signal has reached the coroutine of a task, which lets it through.
  void emitted(int id, mask type) {
    auto& who = t(id);
    expect(who.at == phase::running, 7, "a task was told that does not run", id);
    expect(strand == who.strand, 7, "a task was told on another executor", id);
    auto& in = s(who.scope);
    if (type != wanted(id) && type == terminal && in.requested != nothing && in.may_be_due)
      request(who.scope, terminal, cause::deadline);
    auto const want = wanted(id);
    met(6);
    if (type != terminal) met(8);
    expect(want != nothing, who.who == role::child && who.asked == nothing ? 6 : 16,
           "a task was told although nobody asked", id);
    expect(type == (want & who.filter), 8, "a task was told another type than was asked for", id);
    expect(strength(type) > strength(who.sent), 8, "a task was told twice, or a weaker type", id);
    if (who.is_service && in.services_end && in.requested == nothing) met(27);
    if (in.why == cause::outer) met(14);
    who.told_alone = who.who != role::body && strength(type) > strength(in.requested);
    who.told_with_all |= !who.told_alone;
    who.told_by_both |= who.told_alone && in.requested != nothing;
    who.sent = type;
    see(id, type);
  }

  /// The same for the host, whom nobody but the outside tells.
  void emitted_to_host(int id, mask what) { see(id, what & t(id).filter); }

  /// Whether everything on the running strand that `of` has asked for has been sent.
  void expect_told_at_once(int of) {
    if (strand == nobody || s(of).abandoned) return;
    for (std::size_t i = 0; i != tasks.size(); ++i)
      if (tasks[i].scope == of && tasks[i].strand == strand &&
          !(tasks[i].in_flight && (strand != s(of).strand || tasks[i].who == role::operation))) {
        met(7);
        expect_told(static_cast<int>(i), 7, s(of).requested);
      }
  }
  void expect_told(int id, int rule) { expect_told(id, rule, wanted(id)); }
  void expect_told(int id, int rule, mask what) {
    auto const& who = t(id);
    if (who.at != phase::running || who.has_outcome) return;
    expect(strength(who.sent) >= strength(what & who.filter), rule, "a running task was not told",
           id);
  }

  // -------------------------------------------------------------------------------------- rest

  /// A handler has returned: what it ended has been taken out of the count.
  void turn_over() {
    settle();
    while (!retiring.empty()) retire(retiring.front());
    expect(suppressed.empty(), 11, "an error was not given to on_suppressed at once");
  }
  void next_turn() { ++turns_; }

  /// Nothing is queued anywhere: what had to happen has happened.
  void idle() {
    turn_over();
    for (std::size_t i = 0; i != scopes.size(); ++i) {
      auto& in = scopes[i];
      if (in.live != 0 && !in.closed && is_due(in) && in.requested != terminal) {
        expect(in.requested != nothing, 17, "a deadline has not struck", static_cast<int>(i));
        in.requested = terminal;
      }
      expect(!(in.is_block() && in.closed && t(in.owner).on == awaits::block &&
               t(in.owner).what == static_cast<int>(i)),
             1, "a block with nothing in it was not left", static_cast<int>(i));
      expect(in.room.empty() || in.children >= in.room_for, 25,
             "a child waits though there is room", static_cast<int>(i));
    }
    for (std::size_t i = 0; i != tasks.size(); ++i) {
      int const id = static_cast<int>(i);
      auto const& who = tasks[i];
      expect_told(id, 6);
      expect(who.at != phase::queued, 4, "a child was not started", id);
      expect(who.at != phase::gone, 12, "a token was not completed", id);
      if (who.at == phase::running && who.on == awaits::child)
        expect(t(who.what).at != phase::retired && !who.wait_cancelled, 9,
               "the join of a child was not completed", id);
      if (who.at == phase::running && who.on == awaits::scope)
        expect(!s(who.what).closed, 3, "a join of a scope was not completed", id);
      if (who.at == phase::running && who.on == awaits::room)
        expect(t(who.what).at == phase::waits_for_room && !who.wait_cancelled, 25,
               "a wait for room was not completed", id);
    }
  }

 private:
  static bool is_due_at(long at, long now) { return at <= now; }
  bool is_due(scope const& in) const {
    return is_due_at(in.deadline, now) || is_due_at(in.grace_end, now);
  }

  entry forget(int id, entry why, int rule) {
    met(rule);
    t(id).at = phase::forgotten;
    return why;
  }

  void enroll(int id) {
    auto& who = t(id);
    auto& in = s(who.scope);
    who.at = phase::queued;
    who.order = ++orders_;
    ++in.live;
    if (who.who != role::body) ++in.children;
    if (!who.is_service) ++in.lasting;
    if (who.who == role::body) in.joins = 1;
  }

  void refuse_room(scope& in) {
    while (!in.room.empty()) {
      int const next = in.room.front();
      in.room.pop_front();
      met(25);
      enroll(next);
    }
  }

  void see(int id, mask type) {
    auto& who = t(id);
    who.latch = type;
    if (type == nothing) return;
    if (who.on == awaits::block && s(who.what).kind != form::shielded)
      request(who.what, type, cause::outer);
    else if (who.on == awaits::scope)
      request(who.what, type, cause::outer);
    else if (who.on == awaits::child && t(who.what).at != phase::retired)
      who.wait_cancelled = true;
    else if (who.on == awaits::child && t(who.what).retired_in == turns_)
      who.wait_undecided = true;
    else if (who.on == awaits::room && t(who.what).at == phase::waits_for_room)
      end_wait_for_room(id);
  }

  void end_wait_for_room(int id) {
    auto& who = t(id);
    auto& child = t(who.what);
    who.wait_cancelled = true;
    child.asked = terminal;
    std::erase(s(child.scope).room, who.what);
    met(25);
  }

  void conclude(int id) {
    auto& who = t(id);
    if (std::erase(returned_, id) != 0) return retire(id);
    bool const told = wanted(id) != nothing;
    if (who.who == role::operation) {
      who.how = who.out.is_error && told ? end::cut : end::returned;
      return;
    }
    if (who.at == phase::queued) {
      expect(told, 5, "a child never started though nobody asked", id);
      who.how = end::never_started;
      met(5);
    } else if (!who.out.is_error) {
      who.how = end::returned;
      if (told) met(9);
    } else {
      bool const by_cancellation = errors[static_cast<std::size_t>(who.out.number)];
      who.how = told && by_cancellation ? end::cut : end::failed;
      if (by_cancellation) met(10);
    }
    who.at = phase::gone;
    if (who.has_token) return;
    if (who.how != end::failed) return retire(id);
    retiring.push_back(id);
    report(id);
  }

  void report(int id) {
    auto& who = t(id);
    auto& in = s(who.scope);
    bool const is_body = who.who == role::body;
    bool const fatal = is_body || in.fails_with_children;
    bool const thrown_in_the_end = !in.abandoned || in.joins != 0;
    int const error = who.out.number;
    auto const is_in = [error](std::vector<int> const& errors_of) {
      return std::find(errors_of.begin(), errors_of.end(), error) != errors_of.end();
    };
    met(11);
    if (in.first_error == nobody && thrown_in_the_end && (fatal || !in.has_observer)) {
      in.first_error = error;
    } else if (!is_body || (error != in.first_error && !is_in(in.reported))) {
      in.reported.push_back(error);
      if (in.has_observer) suppressed.push_back(error);
    }
    if (fatal) request(who.scope, terminal, cause::child_error);
  }

  void note_cut(task const& who, scope& in) {
    if (in.requested == nothing) return;
    bool const asked_alone = who.asked != nothing || (who.is_service && in.services_end);
    if (who.told_with_all || (who.sent == nothing && !asked_alone))
      in.cut = true;
    else if (who.sent == nothing || who.told_by_both)
      in.maybe_cut = true;
  }

  void leave_if_left(scope& in) {
    if (in.live == 0) {
      in.closed = true;
    } else if (in.lasting == 0 && !in.services_end) {
      in.services_end = true;
      met(27);
    }
  }

  std::string why_;
  long orders_ = 0;
  long turns_ = 0;
  std::vector<int> gone_;
  std::vector<int> returned_;
};

}  // namespace model
