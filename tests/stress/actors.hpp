// SPDX-License-Identifier: MIT
#pragma once

#include "stress/deeds.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace stress {

/// The coroutines of a program: each carries out commands, one after the other, and between them
/// awaits the next.
class actors : public deeds {
 protected:
  using deeds::deeds;

  void entered(int id) {
    note("starts", id);
    look();
    model_.started(id);
    if (task(id).who == model::role::body && of(id).depth < 4)
      model_.expect(entering_block_ == id, 4, "a body has not started at once", id);
    entering_block_ = model::nobody;
    switch (auto& script = of(id).script; of(id).is.at_start()) {
      case 0: script = {{verb::finish}}; break;
      case 1: script = {{verb::fail}}; break;
      case 2: script = {{verb::cancel, 0, 0, 0}, {verb::finish}}; break;
      case 3: script = {{verb::cancel, 0, 0, 0}}; break;
      case 4: script = {{verb::spawn, bits8(id, 20), 0, bits8(id, 28)}, {verb::finish}}; break;
      case 5: script = {{verb::block, bits8(id, 20), 0, bits8(id, 28)}}; break;
      case 6: script = {{verb::cancel, 0, 0, 0}, {verb::fail}}; break;
      case 7: script = {{verb::hop}}; break;
      case 8: script = {{verb::abort}}; break;
      case 9: script = {{verb::spawn, bits8(id, 20), 0, bits8(id, 28)}}; break;
      case 10: script = {{verb::cancel, 4, 0, 0}}; break;
      case 11: script = {{verb::hop}, {verb::spawn, bits8(id, 20), 0, bits8(id, 28)}}; break;
      case 12: script = {{verb::spawn_when_room, bits8(id, 20), 0, bits8(id, 28)}}; break;
      case 13:
        script = {{verb::spawn_when_room, bits8(id, 20), 0, bits8(id, 28)}, {verb::finish}};
        break;
      default: break;
    }
  }

  std::uint8_t bits8(int id, unsigned from) {
    return static_cast<std::uint8_t>(of(id).is.bits >> from & 0xff);
  }

  void attach(int id, asio::cancellation_state state) {
    of(id).state = state;
    of(id).attached = true;
  }

  struct detach_at_end {
    detach_at_end(actors& r, int i) : actors_(r), id(i) {}
    detach_at_end(detach_at_end const&) = delete;
    detach_at_end& operator=(detach_at_end const&) = delete;
    ~detach_at_end() { actors_.of(id).attached = false; }
    actors& actors_;
    int id;
  };

  /// Whether Asio lets the coroutine start nothing more.
  bool is_stopped(int id) { return task(id).latch != model::nothing && task(id).throws; }

  void ends(int id, std::exception_ptr const& e, int value) {
    if (over_) return;
    look();
    note(e ? "throws" : "returns", id);
    model_.ends_with(id, {static_cast<bool>(e), e ? number_of(e) : value});
  }

  awaitable<int> live(int id, shared_part frame) override {
    static_cast<void>(frame);
    detach_at_end const detach(*this, id);
    entered(id);
    // A graceful child has been made so before.
    if (of(id).is.filter() == 7 && !of(id).graceful)
      co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    else if (of(id).is.filter() != model::terminal && !of(id).graceful)
      co_await asio::this_coro::reset_cancellation_state(asio::enable_partial_cancellation());
    task(id).filter = of(id).is.filter();
    attach(id, co_await asio::this_coro::cancellation_state);
    for (;;) {
      std::exception_ptr problem;
      command next;
      bool const has_script = !of(id).script.empty();
      if (has_script) {
        next = of(id).script.front();
        of(id).script.pop_front();
      } else {
        task(id).on = model::awaits::operation;
        of(id).operation_begun = false;
        try {
          next = commands_[static_cast<std::size_t>(co_await next_command(id))];
        } catch (...) {
          problem = std::current_exception();
        }
        resumed(id, problem);
      }
      if (over_) co_return 0;
      if (trace_ && !problem)
        std::printf("    [%d] %d does %s\n", context_.current(), id,
                    verb_names[static_cast<std::size_t>(next.what)]);
      bool const may_start = !is_stopped(id);
      of(id).operation_begun = false;
      if (!problem) {
        try {
          switch (next.what) {
            case verb::finish: {
              int const value = 1000 + id;
              ends(id, nullptr, value);
              co_return value;
            }
            case verb::fail: problem = new_error(false); break;
            case verb::abort: problem = new_error(true); break;
            case verb::block:
              if (scopes_.size() < most_scopes && puppets_.size() < most_tasks &&
                  of(id).depth < deepest)
                co_await block(id, next);
              break;
            case verb::hop:
              task(id).on = model::awaits::hop;
              co_await asio::post(use_awaitable);
              break;
            case verb::join_child: co_await join_child(id, next); break;
            case verb::join_scope: co_await join_scope(id, next); break;
            case verb::spawn_when_room: co_await spawn_when_room(id, next); break;
            case verb::reset:
              look();
              co_await asio::this_coro::reset_cancellation_state();
              reset(id, co_await asio::this_coro::cancellation_state);
              break;
            case verb::throws:
              co_await asio::this_coro::throw_if_cancelled((next.x & 1) != 0);
              task(id).throws = (next.x & 1) != 0;
              break;
            default: carry_out(id, next); break;
          }
        } catch (...) {
          problem = std::current_exception();
        }
        task(id).on = model::awaits::no_one;
        look();
        if (problem && awaits_something(next.what) && !of(id).operation_begun &&
            next.what != verb::hop)
          model_.expect(!may_start && is_abort(number_of(problem)), 15,
                        "a co_await threw though nothing had been cancelled", id);
      }
      if (over_) co_return 0;
      if (!problem) continue;
      auto const react = is_abort(number_of(problem)) ? of(id).is.on_abort() : (next.z & 3) * 2;
      switch (react) {
        case 4: {
          int const value = 2000 + id;
          ends(id, nullptr, value);
          co_return value;
        }
        case 5: problem = new_error(false); break;
        case 6:
          if (is_abort(number_of(problem))) {
            co_await asio::this_coro::reset_cancellation_state();
            reset(id, co_await asio::this_coro::cancellation_state);
          }
          continue;
        case 7:
          co_await asio::this_coro::throw_if_cancelled(false);
          task(id).throws = false;
          continue;
        default: break;
      }
      ends(id, problem, 0);
      std::rethrow_exception(problem);
    }
  }

  static bool awaits_something(verb v) {
    return v == verb::block || v == verb::join_child || v == verb::join_scope ||
           v == verb::spawn_when_room || v == verb::hop;
  }

  void reset(int id, asio::cancellation_state state) {
    task(id).latch = model::nothing;
    task(id).filter = model::terminal;
    attach(id, state);
  }

  void begins(int id) {
    of(id).operation_begun = true;
    if (over_) return;
    look();
    model_.expect(!is_stopped(id), 14, "a co_await did not see the cancellation", id);
  }

  awaitable<int> next_command(int id) {
    auto initiation = [this, id](auto&& handler) {
      begins(id);
      auto w = std::make_unique<stored_handler_of<std::decay_t<decltype(handler)>>>(
          std::forward<decltype(handler)>(handler));
      if (w->slot.is_connected())
        w->slot.assign([this, id](asio::cancellation_type type) {
          signalled(id, static_cast<model::mask>(type));
        });
      of(id).waits = std::move(w);
    };
    asio::use_awaitable_t<> token;
    return asio::async_initiate<asio::use_awaitable_t<>, void(error_code, int)>(
        std::move(initiation), token);
  }

  /// Inside an emission.
  void signalled(int id, model::mask type) {
    if (over_) return;
    ++emissions_;
    look();
    model_.expect(task(id).latch == type, 8, "a signal of another type", id);
    if (emissions_ < 4) {
      switch (of(id).is.in_emission()) {
        case 0: carry_out(id, {verb::cancel, 0, 0, 0}); break;
        case 1: carry_out(id, {verb::spawn, bits8(id, 20), 0, bits8(id, 28)}); break;
        case 2: carry_out(id, {verb::cancel_child, bits8(id, 20), 0, 0}); break;
        case 3: carry_out(id, {verb::cancel, 4, 0, 0}); break;
        case 4: carry_out(id, {verb::deadline, bits8(id, 20), 0, 0}); break;
        default: break;
      }
    }
    if (of(id).waits && (of(id).is.accepts() & type) != 0)
      complete(id, asio::error::operation_aborted, 0, of(id).is.completes_inline());
    --emissions_;
  }

  void resumed(int id, std::exception_ptr const& problem) {
    if (over_) return;
    task(id).on = model::awaits::no_one;
    look();
    if (!problem) return;
    model_.expect(is_abort(number_of(problem)) && (of(id).operation_begun || is_stopped(id)), 15,
                  "a co_await threw though nothing had been cancelled", id);
  }

  void left(int id, std::exception_ptr const& problem, std::optional<int> value,
            scope_result<int> const* told) {
    auto& in = model_.s(id);
    if (told && told->cancelled_caught() && !in.cut && in.maybe_cut) in.cut = true;
    auto expected = model_.leave(id);
    using kind = model::leaving::kind;
    int const error = problem ? number_of(problem) : model::nobody;
    bool const aborted = problem && is_abort(error);
    bool const late = problem && timed_out_[static_cast<std::size_t>(error)];
    if (in.maybe_cut && !in.cut &&
        ((aborted && in.outer) || (late && in.why == model::cause::deadline))) {
      in.cut = true;
      expected = model_.leave(id);
    }
    switch (expected.what) {
      case kind::throws_first:
        model_.expect(error == expected.error, 11, "leaving did not throw the first error", id);
        break;
      case kind::throws_aborted:
        model_.expect(aborted, 14, "leaving did not throw operation_aborted", id);
        break;
      case kind::throws_timed_out:
        model_.expect(late, 18, "leaving did not throw timed_out", id);
        break;
      case kind::returns:
        model_.expect(!problem, 10, "leaving has thrown", id);
        if (problem) break;
        if (in.is_block()) {
          model_.expect(
              value.has_value() == expected.has_value && (!value || *value == expected.value), 9,
              "the value of a block is wrong", id);
        }
        if (told) {
          model_.expect(told->cancelled_caught() == in.cut, 10, "a result says cut wrongly", id);
          model_.expect(static_cast<int>(told->cause()) == static_cast<int>(in.why), 17,
                        "a result has the wrong cause", id);
        }
        break;
    }
  }

  awaitable<void> block(int id, command c) {
    begins(id);
    auto const bits = c.bits();
    int const scope_id = static_cast<int>(scopes_.size());
    scopes_.emplace_back();
    model::scope what;
    auto options = options_of(bits, scope_id, what);
    constexpr std::array<model::form, 8> forms{
        model::form::telling, model::form::telling, model::form::telling, model::form::telling,
        model::form::telling, model::form::failing, model::form::failing, model::form::shielded};
    what.kind = forms[bits >> 8 & 7];
    bool const has_deadline = (bits >> 11 & 3) == 0;
    long const ticks = has_deadline ? ticks_of(bits >> 13) : model::never;
    auto const limit = ticks == model::never
                           ? clock_type::duration::max()
                           : clock_type::duration(std::chrono::nanoseconds(ticks));
    if (what.kind != model::form::telling) {
      what.fails_with_children = true;
      what.has_observer = false;
      what.room_for = std::numeric_limits<std::size_t>::max();
    } else if (has_deadline) {
      options.deadline_after(limit);
    }
    model::task body;
    body.who = model::role::body;
    body.strand = task(id).strand;
    int const body_id = add_puppet(body, {bits >> 16 ^ bits << 48}, of(id).depth + 1);
    body_callable call{this, body_id, scope_id, std::make_shared<part>(*this, body_id)};

    std::optional<awaitable<scope_result<int>>> tells;
    std::optional<awaitable<int>> gives;
    switch (what.kind) {
      case model::form::telling: tells.emplace(with_cancel_scope(options, call)); break;
      case model::form::failing: gives.emplace(fail_after(limit, call)); break;
      default: gives.emplace(has_deadline ? shielded(limit, call) : shielded(call)); break;
    }
    call.callable.reset();
    note("enters block", scope_id);
    int const same = model_.enter_block(id, what, body_id,
                                        ticks == model::never ? model::never : model_.now + ticks);
    model_.expect(same == scope_id, 1, "the scopes are numbered differently");
    entering_block_ = body_id;

    std::exception_ptr problem;
    std::optional<scope_result<int>> told;
    std::optional<int> value;
    try {
      if (tells)
        told.emplace(co_await *std::move(tells));
      else
        value.emplace(co_await *std::move(gives));
    } catch (...) {
      problem = std::current_exception();
    }
    if (over_) co_return;
    scope(scope_id).object = nullptr;
    look();
    bool const throws = co_await asio::this_coro::throw_if_cancelled();
    model_.expect(throws == task(id).throws, 15, "throw_if_cancelled is not as it was", id);
    if (told && told->has_value()) value = told->value();
    note("leaves block", scope_id);
    left(scope_id, problem, value, told ? &*told : nullptr);
    if (problem) std::rethrow_exception(problem);
  }

  /// Whether `from` cannot end before `id` has: who waits for itself waits for ever.
  bool waits_for(int from, int id) {
    if (from == id) return true;
    auto const& who = task(from);
    if (who.at != model::phase::running) return false;
    if (who.on == model::awaits::child) return waits_for(who.what, id);
    if (who.on == model::awaits::block || who.on == model::awaits::scope)
      return scope_waits_for(who.what, id);
    return false;
  }

  bool scope_waits_for(int which, int id) {
    for (int k = 0; k != static_cast<int>(puppets_.size()); ++k)
      if (task(k).scope == which && task(k).at < model::phase::retired && waits_for(k, id))
        return true;
    return false;
  }

  awaitable<void> join_child(int id, command c) {
    auto const with_handle =
        children([&](int k) { return of(k).handle.has_value() && !waits_for(k, id); });
    if (with_handle.empty()) co_return;
    begins(id);
    int const which = with_handle[c.x % with_handle.size()];
    task(id).on = model::awaits::child;
    task(id).what = which;
    task(id).wait_cancelled = task(id).wait_undecided = false;
    note("joins child", which);
    std::exception_ptr problem;
    int value = 0;
    try {
      value = co_await of(which).handle->async_join();
    } catch (...) {
      problem = std::current_exception();
    }
    if (over_) co_return;
    look();
    auto& child_task = task(which);
    bool was_cancelled = task(id).wait_cancelled;
    if (task(id).wait_undecided && problem && is_abort(number_of(problem)) &&
        number_of(problem) != child_task.out.number)
      was_cancelled = true;
    task(id).on = model::awaits::no_one;
    if (was_cancelled) {
      model_.expect(problem && is_abort(number_of(problem)), 9, "a cancelled join went on", id);
    } else {
      model_.expect(child_task.at == model::phase::retired, 1, "a join came too early", which);
      if (child_task.how == model::end::returned && child_task.taken)
        model_.expect(problem && !is_abort(number_of(problem)), 9, "a value was given twice",
                      which);
      else if (child_task.how == model::end::returned)
        model_.expect(!problem && value == child_task.out.number, 9, "a join lost the value",
                      which);
      else if (child_task.how == model::end::never_started)
        model_.expect(problem && is_abort(number_of(problem)), 5,
                      "the join of a child that never started", which);
      else
        model_.expect(problem && number_of(problem) == child_task.out.number, 11,
                      "a join gave another error", which);
      child_task.taken = true;
    }
    if (problem) std::rethrow_exception(problem);
  }

  awaitable<void> join_scope(int id, command c) {
    auto const objects =
        open_scopes([&](int k) { return scope(k).owned != nullptr && !scope_waits_for(k, id); });
    if (objects.empty()) co_return;
    begins(id);
    int const which = objects[c.x % objects.size()];
    task(id).on = model::awaits::scope;
    task(id).what = which;
    note("joins scope", which);
    model_.join(which);
    std::exception_ptr problem;
    try {
      co_await scope(which).object->async_join();
    } catch (...) {
      problem = std::current_exception();
    }
    if (over_) co_return;
    task(id).on = model::awaits::no_one;
    look();
    left(which, problem, std::nullopt, nullptr);
    if (problem) std::rethrow_exception(problem);
  }

  awaitable<void> spawn_when_room(int id, command c) {
    int const in = choose_scope(id, c.y);
    if (in == model::nobody || puppets_.size() >= most_tasks) co_return;
    begins(id);
    auto const bits = c.bits();
    int const which = add_child(id, in, bits);
    child_callable call{this, which, std::make_shared<part>(*this, which)};
    auto where = options_for(which, bits);
    auto expected = model_.enter(which, true, false);
    task(id).on = model::awaits::room;
    task(id).what = which;
    task(id).wait_cancelled = false;
    note("waits for room of", which);
    std::exception_ptr problem;
    model_.entering = which;
    auto waits = scope(in).object->async_spawn(where, call);
    call.callable.reset();
    std::optional<child<int>> handle;
    try {
      handle.emplace(co_await std::move(waits));
    } catch (...) {
      problem = std::current_exception();
    }
    if (over_) co_return;
    if (handle) of(which).handle.emplace(*std::move(handle));
    look();
    bool const was_cancelled = task(id).wait_cancelled;
    task(id).on = model::awaits::no_one;
    if (expected == model::entry::closed)
      model_.expect(problem && !is_abort(number_of(problem)), 3, "async_spawn in a closed scope",
                    in);
    else if (was_cancelled)
      model_.expect(problem && is_abort(number_of(problem)), 25, "a cancelled wait for room", in);
    else
      model_.expect(!problem, 25, "async_spawn has failed", in);
    if (problem) std::rethrow_exception(problem);
  }

  std::vector<command> commands_;
  int entering_block_ = model::nobody;
};

}  // namespace stress
