// SPDX-License-Identifier: MIT
#pragma once

#include "stress/stage.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace stress {

/// What a program can do without awaiting anything.
class deeds : public stage {
 protected:
  using stage::stage;

  scope_options options_of(std::uint64_t bits, int id, model::scope& what) {
    scope_options options;
    if ((bits & 7) == 0) {
      options.policy(on_child_error::keep_running);
      what.fails_with_children = false;
    }
    if ((bits >> 3 & 1) == 0) {
      options.on_suppressed([this, id](std::exception_ptr e) { observed(id, e); });
      what.has_observer = true;
    }
    if ((bits >> 4 & 3) == 0) {
      what.room_for = 1 + (bits >> 6 & 3);
      options.max_children(what.room_for);
    }
    return options;
  }

  /// A deadline in ticks from now, or never.
  static long ticks_of(std::uint64_t bits) {
    constexpr std::array<long, 8> ticks{0, 1, 1, 2, 3, 5, model::never, model::never};
    return ticks[bits & 7];
  }

  void observed(int id, std::exception_ptr const& e) {
    if (over_) return;
    look();
    note("suppressed in", id);
    auto& expected = model_.suppressed;
    int const number = number_of(e);
    model_.expect(!expected.empty() && expected.front() == number, 11,
                  "on_suppressed got another error than it should", id);
    if (!expected.empty()) expected.erase(expected.begin());
  }

  template <typename Condition>
  std::vector<int> children(Condition condition) {
    std::vector<int> found;
    for (int k = 0; k != static_cast<int>(puppets_.size()); ++k)
      if (task(k).who == model::role::child && condition(k)) found.push_back(k);
    return found;
  }

  template <typename Condition>
  std::vector<int> open_scopes(Condition condition) {
    std::vector<int> found;
    for (int k = 0; k != static_cast<int>(scopes_.size()); ++k)
      if (scope(k).object && condition(k)) found.push_back(k);
    return found;
  }

  int choose_scope(int id, std::uint8_t y) {
    if (id != model::nobody && (y & 1) == 0 && task(id).scope != model::nobody &&
        scope(task(id).scope).object)
      return task(id).scope;
    auto const open = open_scopes([](int) { return true; });
    return open.empty() ? model::nobody : open[(y >> 1) % open.size()];
  }

  int add_child(int id, int in, std::uint64_t bits) {
    model::task what;
    what.scope = in;
    what.strand =
        (bits >> 4 & 1) == 0 ? model_.s(in).strand : static_cast<int>((bits >> 5) % strands);
    what.is_service = (bits >> 8 & 7) == 0;
    return add_puppet(what, {bits >> 12 ^ bits << 52}, id == model::nobody ? 1 : of(id).depth);
  }

  child_options options_for(int which, std::uint64_t bits) {
    child_options options;
    if ((bits >> 4 & 1) != 0) options.on(executor(task(which).strand));
    if (task(which).is_service) options.service();
    of(which).graceful = (bits >> 11 & 1) != 0 && of(which).is.filter() == 7;
    if (of(which).graceful) options.graceful();
    return options;
  }

  struct token_handler {
    deeds* of;
    int id;
    void operator()(std::exception_ptr e, int value) const { of->token_done(id, e, value); }
  };

  void token_done(int id, std::exception_ptr const& e, int value) {
    if (over_) return;
    look();
    note("token of", id);
    auto const& who = task(id);
    model_.expect(who.at == model::phase::gone, 12, "a token was completed too early or twice", id);
    model_.expect(context_.current() == who.strand, 12, "a token was completed elsewhere", id);
    if (who.how == model::end::never_started)
      model_.expect(e && is_abort(number_of(e)), 12, "the token of a child that never started", id);
    else if (who.out.is_error)
      model_.expect(e && number_of(e) == who.out.number, 12, "a token got another error", id);
    else
      model_.expect(!e && value == who.out.number, 12, "a token got another value", id);
    model_.token_returned(id);
  }

  void spawn(int id, command c) {
    int const in = choose_scope(id, c.y);
    if (in == model::nobody || puppets_.size() >= most_tasks) return;
    for (int const k : model_.retiring)
      if (task(k).scope == in && task(k).who == model::role::body) return;
    auto const bits = c.bits();
    int const which = add_child(id, in, bits);
    unsigned const way = bits & 15;
    bool const tries = way < 3;
    bool const has_token = way >= 3 && way < 6;
    task(which).has_token = has_token;
    child_callable call{this, which, std::make_shared<part>(*this, which)};
    auto where = options_for(which, bits);
    auto const expected = model_.enter(which, false, tries);
    note("spawns", which);
    auto seen = model::entry::accepted;
    auto& entering = model_.entering;
    auto const before = std::exchange(entering, which);
    auto& object = *scope(in).object;
    try {
      if (tries) {
        auto maybe = object.try_spawn(where, std::move(call));
        if (maybe)
          of(which).handle.emplace(*std::move(maybe));
        else
          seen = model::entry::no;
      } else if (has_token && way == 3) {
        of(which).token_signal = std::make_unique<asio::cancellation_signal>();
        auto token = asio::bind_cancellation_slot(of(which).token_signal->slot(),
                                                  token_handler{this, which});
        object.spawn(where, std::move(call), std::move(token));
      } else if (has_token) {
        object.spawn(where, std::move(call), token_handler{this, which});
      } else if ((bits >> 4 & 1) == 0 && !task(which).is_service && !of(which).graceful) {
        of(which).handle.emplace(object.spawn(std::move(call)));
      } else {
        of(which).handle.emplace(object.spawn(where, std::move(call)));
      }
    } catch (std::length_error const&) {
      seen = model::entry::full;
    } catch (std::logic_error const&) {
      seen = model::entry::closed;
    }
    look();
    entering = before;
    if (expected == model::entry::never_starts) {
      model_.expect(seen == model::entry::accepted, 5, "a cancelled scope did not take a child",
                    in);
      model_.expect(of(which).parts == 0, 5, "a callable outlives the spawn that refused it",
                    which);
    } else {
      model_.expect(seen == expected, expected == model::entry::closed ? 3 : 25,
                    "a spawn did not do what it should", in);
    }
    if (of(which).is.drops_handle()) of(which).handle.reset();
  }

  struct operation_handler {
    using executor_type = asio::any_io_executor;
    deeds* of;
    int id;
    shared_part handler;
    executor_type executor;
    executor_type get_executor() const noexcept { return executor; }
    void operator()(error_code ec, int) const { of->operation_done(id, ec); }
  };

  /// Ends when it is told to, or by a cancellation that it accepts.
  template <typename Token>
  void start_operation(int id, Token&& token) {
    auto initiation = [this, id](auto&& handler) {
      auto w = std::make_unique<stored_handler_of<std::decay_t<decltype(handler)>>>(
          std::forward<decltype(handler)>(handler));
      if (w->slot.is_connected())
        w->slot.assign([this, id](asio::cancellation_type type) {
          if (over_) return;
          ++emissions_;
          look();
          note("told", id);
          model_.emitted(id, static_cast<model::mask>(type));
          if (of(id).waits && (of(id).is.accepts() & static_cast<model::mask>(type)) != 0)
            complete(id, asio::error::operation_aborted, 0, of(id).is.completes_inline());
          --emissions_;
        });
      of(id).waits = std::move(w);
    };
    asio::async_initiate<Token, void(error_code, int)>(std::move(initiation), token);
  }

  void operation_done(int id, error_code ec) {
    if (over_) return;
    look();
    note("operation ends", id);
    model_.operation_ends(id, ec == asio::error::operation_aborted);
    look();
  }

  void track(int id, command c) {
    int const in = choose_scope(id, c.y);
    if (in == model::nobody || puppets_.size() >= most_tasks) return;
    for (int const k : model_.retiring)
      if (task(k).scope == in && task(k).who == model::role::body) return;
    auto const bits = c.bits();
    model::task what;
    what.who = model::role::operation;
    what.scope = in;
    what.strand = static_cast<int>((bits >> 5) % strands);
    what.filter = model::terminal | model::partial | model::total;
    int const which = add_puppet(what, {bits >> 12}, 0);
    operation_handler handler{this, which, std::make_shared<part>(*this, which),
                              executor(what.strand)};
    auto const expected = model_.adopt(which);
    auto seen = model::entry::accepted;
    note("tracks", which);
    try {
      auto token = std::make_optional(scope(in).object->track(std::move(handler)));
      look();
      if ((bits & 7) != 0) {
        start_operation(which, *std::move(token));
      } else {
        // In which order the place in the scope and the handler go is left open.
        forgoes_ = true;
        token.reset();
        forgoes_ = false;
        model_.forgo(which);
      }
    } catch (std::length_error const&) {
      seen = model::entry::full;
    } catch (std::logic_error const&) {
      seen = model::entry::closed;
    }
    model_.expect(seen == expected, 26, "track did not do what it should", in);
    look();
  }

  /// By coroutine `id`, or by nobody.
  void carry_out(int id, command c) {
    look();
    switch (c.what) {
      case verb::spawn: spawn(id, c); break;
      case verb::track: track(id, c); break;
      case verb::cancel: {
        int const which = choose_scope(id, c.y);
        if (which == model::nobody) break;
        constexpr std::array<model::mask, 8> types{1, 1, 1, 2, 4, 6, 7, 0};
        auto const type = types[c.x & 7];
        note("cancels scope", which);
        model_.request(which, type, model::cause::requested);
        scope(which).object->cancel(static_cast<asio::cancellation_type>(type));
        look();
        if (emissions_ == 0 && type != model::nothing) model_.expect_told_at_once(which);
        break;
      }
      case verb::cancel_child: {
        auto const found = children(
            [this](int k) { return of(k).handle.has_value() || of(k).token_signal != nullptr; });
        if (found.empty()) break;
        int const which = found[c.x % found.size()];
        constexpr std::array<model::mask, 4> types{1, 1, 2, 4};
        auto const type = types[c.y & 3];
        note("cancels child", which);
        if (of(which).handle) {
          model_.request_of(which, type);
          of(which).handle->cancel(static_cast<asio::cancellation_type>(type));
        } else {
          if (task(which).at == model::phase::retired) break;
          model_.request_of(which, type);
          of(which).token_signal->emit(static_cast<asio::cancellation_type>(type));
        }
        look();
        if (context_.current() == task(which).strand && emissions_ == 0)
          model_.expect_told(which, 7);
        break;
      }
      case verb::deadline: {
        int const which = choose_scope(id, c.y);
        if (which == model::nobody) break;
        long const ticks = ticks_of(c.x);
        bool const is_never = ticks == model::never;
        note("sets a deadline for scope", which);
        model_.set_deadline(which, is_never ? model::never : model_.now + ticks - 1);
        scope(which).object->cancel_at(at(is_never ? model::never : model_.now + ticks - 1));
        look();
        break;
      }
      case verb::no_deadline: {
        int const which = choose_scope(id, c.y);
        if (which == model::nobody) break;
        model_.set_deadline(which, model::never);
        scope(which).object->clear_deadline();
        look();
        break;
      }
      case verb::shutdown: {
        int const which = choose_scope(id, c.y);
        if (which == model::nobody) break;
        long const grace = c.x & 3;
        note("shuts down scope", which);
        model_.shut_down(which, grace);
        scope(which).object->shutdown(std::chrono::nanoseconds(grace));
        look();
        if (emissions_ == 0) model_.expect_told_at_once(which);
        break;
      }
      case verb::open: open(c); break;
      case verb::close: {
        auto const objects = open_scopes([this](int k) { return scope(k).owned != nullptr; });
        if (objects.empty() || emissions_ != 0) break;
        destroy(objects[c.x % objects.size()]);
        break;
      }
      default: break;
    }
  }

  void open(command c) {
    if (scopes_.size() >= most_scopes) return;
    int const id = static_cast<int>(scopes_.size());
    scopes_.emplace_back();
    model::scope what;
    what.kind = model::form::object;
    what.strand = static_cast<int>(c.z % strands);
    auto options = options_of(c.bits(), id, what);
    model_.add_scope(what);
    scope(id).owned = std::make_unique<scope_type>(executor(what.strand), std::move(options));
    took_scope(id, *scope(id).owned);
    note("opens scope", id);
  }

  void destroy(int id) {
    note("destroys scope", id);
    scope(id).object = nullptr;
    model_.abandon(id);
    auto const gone = std::move(scope(id).owned);
  }
};

}  // namespace stress
