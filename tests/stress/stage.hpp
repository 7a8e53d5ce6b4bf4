// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"
#include "support/manual_timer.hpp"

#include "stress/model.hpp"
#include "stress/program.hpp"
#include "stress/shuffled_strands.hpp"

#include <asio_cancel_scope.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace stress {

using namespace asio_cancel_scope;

struct real_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What a coroutine of the program does of itself.
struct behaviour {
  std::uint64_t bits = 0;

  model::mask accepts() const noexcept {
    constexpr std::array<model::mask, 4> which{model::terminal, model::terminal, 7, model::nothing};
    return which[bits & 3];
  }
  model::mask filter() const noexcept {
    constexpr std::array<model::mask, 4> which{model::terminal, model::terminal, 7,
                                               model::terminal | model::partial};
    return which[bits >> 2 & 3];
  }
  bool completes_inline() const noexcept { return (bits >> 4 & 3) == 0; }
  unsigned in_emission() const noexcept { return bits >> 6 & 15; }
  unsigned on_abort() const noexcept { return bits >> 10 & 7; }
  unsigned at_start() const noexcept { return bits >> 13 & 31; }
  bool drops_handle() const noexcept { return (bits >> 18 & 7) == 0; }
};

/// What a program that runs consists of, and how it is compared with the model: all that its code
/// can see is looked at whenever that code runs, inside emissions, in destructors, between any two
/// handlers.
class stage {
 public:
  stage(stage const&) = delete;
  stage& operator=(stage const&) = delete;

 protected:
  using scope_type = cancel_scope<>;
  using clock_type = std::chrono::steady_clock;
  static constexpr int strands = 3;
  static constexpr std::size_t most_tasks = 40;
  static constexpr std::size_t most_scopes = 16;
  static constexpr int deepest = 5;

  explicit stage(bool trace) : trace_(trace) {}
  virtual ~stage() = default;

  // ------------------------------------------------------------------- what the program consists
  // of

  struct stored_handler {
    stored_handler() = default;
    stored_handler(stored_handler const&) = delete;
    stored_handler& operator=(stored_handler const&) = delete;
    virtual ~stored_handler() = default;
    virtual void call(error_code ec, int value) = 0;
    virtual void clear_slot() = 0;
  };

  template <typename Handler>
  struct stored_handler_of final : stored_handler {
    explicit stored_handler_of(Handler h)
        : slot(asio::get_associated_cancellation_slot(h)), handler(std::move(h)) {}
    void call(error_code ec, int value) override { std::move(handler)(ec, value); }
    void clear_slot() override {
      if (slot.is_connected()) slot.clear();
    }
    asio::cancellation_slot slot;
    Handler handler;
  };

  struct puppet {
    behaviour is;
    int depth = 0;
    int parts = 0;          // frames and callables that are not destroyed
    bool attached = false;  // `state` may be looked at
    bool operation_begun = false;
    asio::cancellation_state state;
    std::unique_ptr<stored_handler> waits;
    std::unique_ptr<asio::cancellation_signal> token_signal;
    std::deque<command> script;
    std::optional<child<int>> handle;
    bool graceful = false;  // the library has it accept all types
  };

  struct live_scope {
    scope_type* object = nullptr;
    std::unique_ptr<scope_type> owned;
    std::stop_token stop;
  };

  /// Lives as long as a frame, or as the copies of a callable.
  class part {
   public:
    part(stage& r, int id) : stage_(r), id_(id) {
      ++stage_.parts_;
      ++stage_.of(id).parts;
    }
    part(part const&) = delete;
    part& operator=(part const&) = delete;
    ~part() { stage_.part_destroyed(id_); }

   private:
    stage& stage_;
    int id_;
  };
  using shared_part = std::shared_ptr<part>;

  struct child_callable {
    stage* of;
    int id;
    shared_part callable;
    awaitable<int> operator()() const { return of->live(id, std::make_shared<part>(*of, id)); }
  };

  struct body_callable {
    stage* of;
    int id;
    int scope;
    shared_part callable;
    awaitable<int> operator()(scope_type& s) const {
      of->took_scope(scope, s);
      return of->live(id, std::make_shared<part>(*of, id));
    }
  };

  puppet& of(int id) { return *puppets_[static_cast<std::size_t>(id)]; }
  live_scope& scope(int id) { return scopes_[static_cast<std::size_t>(id)]; }
  model::task& task(int id) { return model_.t(id); }

  asio::any_io_executor executor(int strand) { return context_.strand(strand); }

  int add_puppet(model::task const& what, behaviour is, int depth) {
    auto p = std::make_unique<puppet>();
    p->is = is;
    p->depth = depth;
    puppets_.push_back(std::move(p));
    return model_.add_task(what);
  }

  /// The coroutine of a task.
  virtual awaitable<int> live(int id, shared_part frame) = 0;

  // -------------------------------------------------------------------------------------- errors

  int number_of(std::exception_ptr const& e) {
    for (std::size_t i = errors_.size(); i-- != 0;)
      if (errors_[i] == e) return static_cast<int>(i);
    bool cancellation = false;
    try {
      std::rethrow_exception(e);
    } catch (system_error const& error) {
      cancellation = error.code() == asio::error::operation_aborted;
      timed_out_.push_back(error.code() == asio::error::timed_out);
    } catch (...) {
      timed_out_.push_back(false);
    }
    errors_.push_back(e);
    model_.errors.push_back(cancellation);
    return static_cast<int>(errors_.size()) - 1;
  }

  bool is_abort(int error) const { return model_.errors[static_cast<std::size_t>(error)]; }

  std::exception_ptr new_error(bool aborted) {
    auto e = aborted ? std::make_exception_ptr(system_error(asio::error::operation_aborted))
                     : std::make_exception_ptr(real_error("real"));
    number_of(e);
    return e;
  }

  // --------------------------------------------------------------------------------------- looking

  void say(std::string const& what) const { std::printf("    %s\n", what.c_str()); }

  void note(char const* what, int id) const {
    if (trace_) std::printf("    [%d] %s %d\n", context_.current(), what, id);
  }

  /// Compares all that can be seen with what the model says.
  void look(bool turn_is_over = false) {
    if (over_ || model_.failed()) return;
    model_.strand = context_.current();
    model_.settle();
    look_for_retired();
    if (turn_is_over) model_.turn_over();
    // One that has been told may be the reason why another has, in whatever order they are here.
    while (look_at_latches(true)) {
    }
    look_at_latches(false);
    for (std::size_t i = 0; i != puppets_.size(); ++i) {
      auto const& p = *puppets_[i];
      if (!p.handle) continue;
      auto const at = model_.tasks[i].at;
      model_.expect(p.handle->done() == (at == model::phase::retired), 1,
                    "a handle is done too early or too late", static_cast<int>(i));
    }
    for (std::size_t i = 0; i != scopes_.size(); ++i)
      if (scopes_[i].object) look_at_scope(static_cast<int>(i));
    if (turn_is_over) model_.next_turn();
  }

  void look_for_retired() {
    while (retire_first([this](int id) { return of(id).handle && of(id).handle->done(); })) {
    }
    // Without a handle the count tells.
    while (retire_first([this](int id) {
      auto const in = task(id).scope;
      return !of(id).handle && task(id).who == model::role::child && scope(in).object &&
             scope(in).object->size() < model_.s(in).children;
    })) {
    }
  }

  template <typename Condition>
  bool retire_first(Condition condition) {
    for (int const id : model_.retiring) {
      if (!condition(id)) continue;
      model_.retire(id);
      return true;
    }
    return false;
  }

  bool look_at_latches(bool only_explained) {
    bool any = false;
    for (int id = 0; id != static_cast<int>(puppets_.size()); ++id)
      if (of(id).attached && look_at_latch(id, only_explained)) any = true;
    return any;
  }

  /// Whether the task has been told.
  bool look_at_latch(int id, bool only_if_explained) {
    auto const seen = static_cast<model::mask>(of(id).state.cancelled());
    auto& who = task(id);
    if (seen == who.latch) return false;
    if (who.scope == model::nobody || seen == model::nothing) {
      model_.expect(only_if_explained, 8, "the cancellation state of a coroutine has changed", id);
      return false;
    }
    look_for_strike(who.scope);
    if (only_if_explained && !model_.explains(id, seen)) return false;
    note("told", id);
    model_.emitted(id, seen);
    return true;
  }

  void look_for_strike(int id) {
    auto const* const object = scope(id).object;
    if (object && object->cancel_called() && model_.s(id).requested == model::nothing)
      model_.struck(id, static_cast<model::cause>(object->cause()));
  }

  void look_at_scope(int id) {
    look_for_strike(id);
    auto const& object = *scope(id).object;
    auto& in = model_.s(id);
    bool const called = in.requested != model::nothing;
    model_.expect(object.cancel_called() == called, 6, "cancel_called() is wrong", id);
    model_.expect(static_cast<int>(object.cause()) == static_cast<int>(in.why), 17,
                  "cause() is wrong", id);
    if (object.cancelled_caught() != in.cut && !in.cut && in.maybe_cut) in.cut = true;
    if (trace_ && object.cancelled_caught() != in.cut)
      say("cancelled_caught() is " + std::to_string(object.cancelled_caught()));
    model_.expect(object.cancelled_caught() == in.cut, 10, "cancelled_caught() is wrong", id);
    model_.expect(object.size() == in.children, 2, "size() is wrong", id);
    model_.expect(scope(id).stop.stop_requested() == called, 18, "the stop token is wrong", id);
    auto const counts = object.shutdown_counts();
    model_.expect(counts.finished() + counts.forced() == in.finished + in.forced, 18,
                  "shutdown_counts() is wrong", id);
    auto const deadline = object.deadline();
    model_.expect(deadline ? *deadline == at(in.deadline) : in.deadline == model::never, 17,
                  "deadline() is wrong", id);
  }

  clock_type::time_point at(long t) const {
    return t == model::never ? clock_type::time_point::max() : base_ + std::chrono::nanoseconds(t);
  }

  // ----------------------------------------------------------------------------- what the code
  // does

  void part_destroyed(int id) {
    --parts_;
    auto& p = of(id);
    bool const last = --p.parts == 0;

    if (over_ || forgoes_) return;
    look();
    note(last ? "gone" : "frame gone", id);
    if (!last) return;
    if (task(id).who == model::role::operation && task(id).has_outcome)
      model_.token_returned(id);
    else
      model_.gone(id);
  }

  void took_scope(int id, scope_type& s) {
    scope(id).object = &s;
    scope(id).stop = s.get_stop_token();
  }

  struct completion {
    std::unique_ptr<stored_handler> handler;
    error_code ec;
    int value;
    void operator()() {
      handler->clear_slot();
      auto const keep = std::move(handler);
      keep->call(ec, value);
    }
  };

  void complete(int id, error_code ec, int value, bool at_once) {
    auto handler = std::move(of(id).waits);
    if (at_once) {
      handler->call(ec, value);
    } else {
      auto const ex = context_.strand(task(id).strand);
      asio::post(ex, completion{std::move(handler), ec, value});
    }
  }

  bool const trace_;
  manual_clock clock_;
  clock_type::time_point base_ = clock_.now();
  model::machine model_;
  long parts_ = 0;
  bool over_ = false;
  std::vector<std::exception_ptr> errors_;
  std::vector<bool> timed_out_;  // of each of them
  asio::cancellation_signal outside_;
  shuffled_strands context_{strands};
  std::vector<std::unique_ptr<puppet>> puppets_;
  std::deque<live_scope> scopes_;
  int emissions_ = 0;  // how many are on the stack
  bool forgoes_ = false;
};

}  // namespace stress
