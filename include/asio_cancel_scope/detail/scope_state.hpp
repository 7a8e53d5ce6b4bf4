// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_error.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/deadline.hpp>
#include <asio_cancel_scope/detail/expiry_timer.hpp>
#include <asio_cancel_scope/detail/handover.hpp>
#include <asio_cancel_scope/detail/list.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/serial_executor.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// The protocol between scope, child and join
// ------------------------------------------
// A child is a `record`. `enroll` makes it live; from then on exactly one owner brings it to its
// end: the start queue, then the handler that co_spawn was given, then, for a child with a token,
// the posted token. Whoever owns it when it ends, or when it is destroyed unfinished, calls
// `finish` or `lose`, and these lead to `retire`, which publishes the outcome and takes it out of
// the count. By then the coroutine's frame, the callable and its captures are gone.
//
// Starting. Children of the scope's own executor wait in a queue that one posted `drain` empties:
// one hop starts many, in the order of spawning. A child with an executor of its own is posted
// there. Whether a child starts is decided by the library, on the child's executor, when its
// coroutine is about to be entered: once a request has been made none does. So nothing has to be
// told to children that start late, and it does not matter what Asio makes of a signal that comes
// before the start, which differs from version to version.
//
// Cancelling. A request is noted under the lock; the children that have not been told of one so
// strong are in `untold`, the others in `told`. Then one emission for the scope's executor is
// dispatched, and one for each child that runs elsewhere. The emission moves one record at a time
// to `told`, lets go of the lock, and emits: it may be re-entered from inside a signal, by a child
// that completes, spawns or cancels there, and it needs neither a snapshot nor memory. Signals are
// touched on the child's executor only, so a child cannot end while it is being told on another
// thread, and one that ends inside its own emission is kept by it.
//
// A child may also be asked to end by itself: through its handle, the body by a shutdown, a service
// child when nothing else is left. `wanted` adds all that up for one child, and the emission sends
// that; so whoever asks moves the children back to `untold` and lets the emission run.
//
// Time. A deadline and the end of a grace period share one timer, which is made when the first is
// set and goes when the scope closes. Its calls are the only ones to Asio under the lock.
//
// Joining. Joins are completed by posting, by the last record to retire, and what they report is
// computed when they are delivered: an outer request that comes in between still counts. A join's
// slot holds the scope weakly: a signal may outlive the context, a scope must not.
//
// No foreign code runs under the mutex; posting and dispatching are done without it, because an
// executor may destroy what it is given, or run it, inside the call.

/// Of the children that a shutdown found running, how many have ended by themselves within the
/// grace period and how many after they had been told terminal.
struct shutdown_counts {
  std::size_t finished = 0;
  std::size_t forced = 0;
};

/// Whether a scope is an object that is joined, or has a body whose block is left.
enum class scope_form : bool { object, block };

/// The shared part of a scope: outlives the `cancel_scope` while children are left.
template <typename Executor>
class scope_state : public std::enable_shared_from_this<scope_state<Executor>> {
 public:
  using executor_type = Executor;
  using record_type = record<Executor>;
  using join_waiter = waiter<scope_state>;

  enum class cause : unsigned char { none, requested, deadline, child_error, outer };

  scope_state(Executor const& ex, scope_settings settings, scope_form form = scope_form::object)
      : executor_(ex),
        settings_(std::move(settings)),
        form_(form),
        parallel_(own_strand(ex).has_value()) {}
  scope_state(scope_state const&) = delete;
  scope_state& operator=(scope_state const&) = delete;
  virtual ~scope_state() = default;

  [[nodiscard]] Executor const& get_executor() const noexcept { return executor_; }
  [[nodiscard]] std::string const& name() const noexcept { return settings_.name; }
  [[nodiscard]] bool is_block() const noexcept { return form_ == scope_form::block; }

  /// Where a child runs that is to run on `wanted`, or anywhere: nothing stands for the scope's own
  /// executor. An executor that runs handlers in parallel is replaced by a strand on it.
  [[nodiscard]] std::optional<Executor> place(std::optional<Executor> wanted) const {
    if (!wanted || *wanted == executor_) return parallel_ ? own_strand(executor_) : std::nullopt;
    if (auto strand = own_strand(*wanted)) return strand;
    return wanted;
  }

  // ------------------------------------------------------------------------------------- children

  /// Makes `child` live and sees to its start. Throws if the scope is closed, or what posting
  /// throws; then the scope is as it was.
  void spawn(std::shared_ptr<record_type> const& child) {
    enum class step { none, refuse, post_drain, post_child } next = step::none;
    {
      std::lock_guard const lock(mutex_);
      expect_open();
      enroll(child);
      if (cancel_called()) {
        next = step::refuse;
      } else if (child->elsewhere) {
        elsewhere_.untold.push_back(*child);
        next = step::post_child;
      } else {
        here_.untold.push_back(*child);
        queue_.push_back(*child);
        if (!std::exchange(draining_, true)) next = step::post_drain;
      }
    }
    switch (next) {
      case step::none: return;
      case step::refuse: return never_start(*child);
      case step::post_drain: return post_drain_for(*child);
      case step::post_child: return post_start_of(*child);
    }
  }

  /// Makes the body live and starts it at once, unless it must go through an executor. `join` waits
  /// for it and for all that is spawned.
  void start_body(std::shared_ptr<record_type> const& body, join_waiter& join) {
    bool refuse = false;
    {
      std::lock_guard const lock(mutex_);
      joins_.push_back(join);
      enroll(body);
      refuse = cancel_called();
      if (!refuse) (body->elsewhere ? elsewhere_ : here_).untold.push_back(*body);
    }
    if (refuse) return never_start(*body);
    if (!body->elsewhere && !nesting::too_deep()) {
      nesting const inner;
      return start(*body);
    }
    try {
      if (post_task(body->get_executor(), *body) == posting::refused) lose(*body);
    } catch (...) {
      finish(*body, std::current_exception());
    }
  }

  /// On the child's executor: it starts, or never will.
  void start(record_type& child) {
    if (is_told(child))
      never_start(child);
    else
      child.launch();
  }

  /// On the child's executor, when its coroutine is about to be entered: the last moment at which
  /// it can be kept from it. An executor may have let time pass since `start`.
  void enter(record_type& child) {
    if (is_told(child)) {
      child.ending = end::cut_before_start;
      throw system_error(asio::error::operation_aborted);
    }
    child.started = true;
  }

  /// On the child's executor: its coroutine has ended, with a value or with `e`.
  void finish(record_type& child, std::exception_ptr e) noexcept {
    if (!child.has_ended()) {
      child.ending = !e                                       ? end::returned
                     : is_told(child) && is_cancellation()(e) ? end::cut
                                                              : end::failed;
    }
    conclude(child, std::move(e));
  }

  /// The child's frame, or what was to start it, has been destroyed.
  void lose(record_type& child) noexcept {
    child.ending = end::lost;
    conclude(child, nullptr);
  }

  /// Gives a child's token the error that kept the child out of the scope.
  void refuse(std::shared_ptr<record_type> const& child, std::exception_ptr e) noexcept {
    child->self = child;
    child->ending = end::failed;
    child->release();
    child->error = std::move(e);
    child->hand_out();
  }

  /// Publishes the outcome; nothing of the child is left but that.
  void retire(record_type& child) noexcept {
    std::shared_ptr<record_type> self;  // first, so that it goes last: it may own this
    list<waiter<record_type>> child_joins;
    list<join_waiter> scope_joins;
    bool services_left = false;
    {
      std::lock_guard const lock(mutex_);
      self = std::move(child.self);
      child.unlink();
      child_joins.splice(child.joins);
      child.done.store(true, std::memory_order_release);
      if (child.enrolled) {
        if (was_cut_by_scope(child)) cut_short_ = true;
        if (child.ending == end::lost) lost_ = true;
        if (shutting_down_) count_for_shutdown(child);
        if (!child.is_body()) --children_;
        if (!child.service) --lasting_;
        --live_;
        if (!joins_.empty()) {
          if (live_ == 0) {
            close();
            scope_joins.splice(joins_);
          } else {
            services_left = end_services();
          }
        }
      }
    }
    if (services_left) tell_or_give_up();
    while (auto* const join = child_joins.pop_front()) join->complete(self);
    while (auto* const join = scope_joins.pop_front()) join->complete(this->shared_from_this());
  }

  // --------------------------------------------------------------------------------- cancellation

  enum class telling { at_once, by_posting };

  /// Asks everything in the scope to end.
  void request(asio::cancellation_type mask, cause why, telling how = telling::at_once) {
    auto const type = strongest(mask);
    if (type == asio::cancellation_type::none) return;
    std::optional<std::stop_source> stop;
    {
      std::lock_guard const lock(mutex_);
      if (why == cause::outer) outer_requested_ = true;
      if (closed_) return;
      stop = note_request(type, why);
      if (type == asio::cancellation_type::terminal) timer_.stop();
    }
    if (stop) stop->request_stop();
    tell(how);
  }

  /// Asks everything to finish, the body to end, and everything to end when `grace` is over. A
  /// second time it is over at once.
  void shutdown(duration grace) {
    std::optional<std::stop_source> stop;
    {
      std::lock_guard const lock(mutex_);
      if (closed_) return;
      auto const end_of_grace = detail::after(timer_.now(), grace);
      bool const at_once = grace <= duration::zero() || shutting_down_;
      if (!at_once) arm(end_of_grace);
      stop =
          note_request(at_once ? asio::cancellation_type::terminal : asio::cancellation_type::total,
                       cause::requested);
      shutting_down_ = true;
      untell_all();
      grace_ends_ = at_once ? time_point::max() : end_of_grace;
    }
    if (stop) stop->request_stop();
    tell(telling::at_once);
  }

  // ------------------------------------------------------------------------------------------ time

  /// Sets the deadline that the options ask for: on entry.
  void start_deadline() {
    if (settings_.deadline_after) return cancel_after(*settings_.deadline_after);
    if (settings_.deadline_at) set_deadline(*settings_.deadline_at);
  }

  void cancel_after(duration d) { set_deadline(detail::after(timer_.now(), d)); }

  /// Moves the deadline; `time_point::max()` is none.
  void set_deadline(time_point at) {
    {
      std::lock_guard const lock(mutex_);
      if (closed_) return;
      if (at > timer_.now()) {
        if (at == time_point::max()) {
          deadline_.reset();
          if (grace_ends_ == time_point::max()) timer_.stop();
        } else {
          // Nothing stronger can come of it than what has been requested.
          if (requested_.load() != asio::cancellation_type::terminal) arm(at);
          deadline_ = at;
        }
        return;
      }
      deadline_ = at;
    }
    request(asio::cancellation_type::terminal, cause::deadline);
  }

  [[nodiscard]] std::optional<time_point> deadline() const {
    std::lock_guard const lock(mutex_);
    return deadline_;
  }

  /// Fails the scope before anything has been started in it.
  void fail(std::exception_ptr e) {
    {
      std::lock_guard const lock(mutex_);
      first_error_ = std::move(e);
    }
    request(asio::cancellation_type::terminal, cause::child_error);
  }

  /// Asks one child to end.
  void request_of(record_type& child, asio::cancellation_type mask) {
    auto const type = strongest(mask);
    std::shared_ptr<record_type> live;
    {
      std::lock_guard const lock(mutex_);
      live = child.self;
      if (!live) return;
      if (stronger(type, child.asked.load(std::memory_order_relaxed)))
        child.asked.store(type, std::memory_order_release);
    }
    emit_on(child.get_executor(), telling::at_once,
            [live = std::move(live)] { live->scope.tell_one(*live); });
  }

  // --------------------------------------------------------------------------------------- joining

  /// Completes `join` when no child is left.
  void join(join_waiter& join) {
    bool closes = false;
    {
      std::lock_guard const lock(mutex_);
      closes = live_ == 0;
      if (closes) {
        close();
      } else {
        joins_.push_back(join);
        if (!end_services()) return;
      }
    }
    if (closes)
      join.complete(this->shared_from_this());
    else
      tell_or_give_up();
  }

  /// Gives a join of `child` the id by which its slot finds it again.
  [[nodiscard]] std::uint64_t next_join_id(record_type& child) {
    std::lock_guard const lock(mutex_);
    return ++child.joins_made;
  }

  /// Completes `join` when `child` is done.
  void join(std::shared_ptr<record_type> const& child, waiter<record_type>& join) {
    {
      std::lock_guard const lock(mutex_);
      if (!child->done.load(std::memory_order_relaxed)) return child->joins.push_back(join);
    }
    join.complete(child);
  }

  /// Ends the wait of one join of `child`, if it still waits.
  void end_join(std::shared_ptr<record_type> const& child, std::uint64_t id) {
    waiter<record_type>* ended = nullptr;
    {
      std::lock_guard const lock(mutex_);
      ended = child->joins.find_if([id](auto const& join) { return join.id == id; });
      if (!ended) return;
      ended->unlink();
      ended->failure = aborted();
    }
    ended->complete(child);
  }

  /// What leaving throws. To be asked when a join is delivered.
  [[nodiscard]] std::exception_ptr outcome() const {
    std::lock_guard const lock(mutex_);
    if (first_error_) return first_error_;
    return lost_ || (outer_requested_ && cut_short_) ? aborted() : nullptr;
  }

  /// The scope object goes. Children that are left are asked to end, and nobody waits.
  void abandon() noexcept {
    std::exception_ptr unseen;
    bool left = false;
    {
      std::lock_guard const lock(mutex_);
      owner_gone_ = true;
      left = live_ != 0;
      if (!left) timer_.stop();
      if (!closed_ && joins_.empty()) unseen = std::exchange(first_error_, nullptr);
    }
    if (unseen) suppress(unseen);
    if (!left) return;
    try {
      request(asio::cancellation_type::terminal, cause::requested, telling::by_posting);
    } catch (...) {
      // The children go on without having been told: nobody is left who could ask again.
    }
  }

  /// Remembers an error that a handle has given to somebody, who may be the body and throw it on.
  void note_given(std::exception_ptr const& e) {
    std::lock_guard const lock(mutex_);
    given_error_ = e;
  }

  // --------------------------------------------------------------------------------------- queries

  [[nodiscard]] bool cancel_called() const noexcept {
    return requested_.load(std::memory_order_acquire) != asio::cancellation_type::none;
  }

  [[nodiscard]] bool cancelled_caught() const noexcept {
    std::lock_guard const lock(mutex_);
    return cut_short_;
  }

  [[nodiscard]] cause why() const noexcept {
    std::lock_guard const lock(mutex_);
    return cause_;
  }

  [[nodiscard]] std::size_t size() const noexcept {
    std::lock_guard const lock(mutex_);
    return children_;
  }

  [[nodiscard]] shutdown_counts shutdown_so_far() const noexcept {
    std::lock_guard const lock(mutex_);
    return shutdown_;
  }

  [[nodiscard]] std::stop_token get_stop_token() {
    std::lock_guard const lock(mutex_);
    if (!stop_) {
      stop_.emplace();
      if (cancel_called()) stop_->request_stop();
    }
    return stop_->get_token();
  }

 private:
  using end = typename record_type::end;

  struct group {
    list<record_type> untold;  // no request so strong as `requested_` has been sent to these
    list<record_type> told;
  };

  /// As a task to post: empties the queue. Part of the state, which lives as long as its queue has
  /// a child in it.
  struct drain {
    scope_state& scope;
    using allocator_type = std::allocator<void>;
    [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }
    void run() { scope.start_queued(); }
    void drop() noexcept { scope.lose_queued(); }
  };

  void expect_open() const {
    if (closed_)
      throw std::logic_error(
          "asio_cancel_scope: the scope is closed: nothing can be started in it");
  }

  void enroll(std::shared_ptr<record_type> const& child) noexcept {
    child->self = child;
    child->enrolled = true;
    ++live_;
    if (!child->is_body()) ++children_;
    if (!child->service) ++lasting_;
  }

  /// Undoes `enroll` for a child of which nobody has heard.
  void withdraw(record_type& child) noexcept {
    child.unlink();
    child.enrolled = false;
    child.self.reset();
    --live_;
    --children_;
    if (!child.service) --lasting_;
  }

  void post_start_of(record_type& child) {
    try {
      if (post_task(child.get_executor(), child) == posting::refused) lose(child);
    } catch (...) {
      std::lock_guard const lock(mutex_);
      withdraw(child);
      throw;
    }
  }

  void post_drain_for(record_type& child) {
    try {
      if (post_task(executor_, drain_) == posting::refused) lose_queued();
    } catch (...) {
      {
        std::lock_guard const lock(mutex_);
        queue_.remove(child);
        withdraw(child);
      }
      fail_queued(std::current_exception());
      throw;
    }
  }

  void start_queued() noexcept {
    auto const keep = this->shared_from_this();
    auto batch = take_queued();
    // Only those that are here now: a child that spawns a child must let others run.
    while (auto* const child = batch.pop_front()) start(*child);
    {
      std::lock_guard const lock(mutex_);
      draining_ = !queue_.empty();
      if (!draining_) return;
    }
    try {
      if (post_task(executor_, drain_) == posting::refused) lose_queued();
    } catch (...) {
      fail_queued(std::current_exception());
    }
  }

  [[nodiscard]] start_queue<Executor> take_queued() noexcept {
    std::lock_guard const lock(mutex_);
    return std::move(queue_);
  }

  /// The drain is gone: the queued children will never start.
  void lose_queued() noexcept {
    auto const keep = this->shared_from_this();
    auto batch = stop_draining();
    while (auto* const child = batch.pop_front()) lose(*child);
  }

  /// The drain could not be posted, and children that others have queued relied on it.
  void fail_queued(std::exception_ptr const& e) noexcept {
    auto const keep = this->shared_from_this();
    auto batch = stop_draining();
    while (auto* const child = batch.pop_front()) finish(*child, e);
  }

  [[nodiscard]] start_queue<Executor> stop_draining() noexcept {
    std::lock_guard const lock(mutex_);
    draining_ = false;
    return std::move(queue_);
  }

  /// The strongest that has been requested of this child, by whomever.
  [[nodiscard]] asio::cancellation_type wanted(record_type const& child) const noexcept {
    auto const of_all = requested_.load(std::memory_order_acquire);
    if (child.is_body() ? of_all != asio::cancellation_type::none && shutting_down_.load()
                        : child.service && services_end_.load())
      return asio::cancellation_type::terminal;
    auto const of_it = child.asked.load(std::memory_order_acquire);
    return stronger(of_it, of_all) ? of_it : of_all;
  }

  /// Whether a request has been made of the child: it does not start any more, and if it ends by a
  /// cancellation error, that is the answer and not an error.
  [[nodiscard]] bool is_told(record_type const& child) const noexcept {
    return wanted(child) != asio::cancellation_type::none;
  }

  /// Notes a request of all. Gives the stop source that is to be told, if any.
  [[nodiscard]] std::optional<std::stop_source> note_request(asio::cancellation_type type,
                                                             cause why) noexcept {
    auto const before = requested_.load(std::memory_order_relaxed);
    if (stronger(type, before)) {
      requested_.store(type, std::memory_order_release);
      untell_all();
    }
    if (before != asio::cancellation_type::none) return std::nullopt;
    cause_ = why;
    return stop_;
  }

  /// When the scope is being left: once only service children are left, they are to end. Answers
  /// whether there is somebody to be told.
  [[nodiscard]] bool end_services() noexcept {
    if (lasting_ != 0 || services_end_.load(std::memory_order_relaxed)) return false;
    services_end_ = true;
    untell_all();
    return true;
  }

  void untell_all() noexcept {
    here_.untold.splice(here_.told);
    elsewhere_.untold.splice(elsewhere_.told);
  }

  void close() noexcept {
    closed_ = true;
    timer_.stop();
  }

  void count_for_shutdown(record_type const& child) noexcept {
    if (child.is_body() || child.service || !child.started) return;
    ++(child.sent == asio::cancellation_type::terminal ? shutdown_.forced : shutdown_.finished);
  }

  void never_start(record_type& child) noexcept {
    child.ending = end::cut_before_start;
    conclude(child, nullptr);
  }

  void conclude(record_type& child, std::exception_ptr e) noexcept {
    child.release();
    child.error = std::move(e);
    if (child.ending == end::failed && child.kind != record_type::role::token_child) report(child);
    if (!child.hand_out()) retire(child);
  }

  [[nodiscard]] bool was_cut_by_scope(record_type const& child) const noexcept {
    return (child.ending == end::cut || child.ending == end::cut_before_start) && cancel_called();
  }

  /// An error of a child that has no token, or of the body. The child still counts.
  void report(record_type const& child) noexcept {
    bool const fatal = child.is_body() || settings_.cancel_on_child_error;
    bool suppressed = false;
    {
      std::lock_guard const lock(mutex_);
      bool const thrown_in_the_end = !owner_gone_ || !joins_.empty();
      if (!first_error_ && thrown_in_the_end && (fatal || !settings_.on_suppressed))
        first_error_ = child.error;
      else
        suppressed =
            !child.is_body() || (child.error != first_error_ && child.error != given_error_);
    }
    if (suppressed) suppress(child.error);
    if (!fatal) return;
    try {
      request(asio::cancellation_type::terminal, cause::child_error);
    } catch (...) {
      tell_or_give_up();
    }
  }

  void suppress(std::exception_ptr const& e) const noexcept {
    if (settings_.on_suppressed) settings_.on_suppressed(e);
  }

  // Emissions run inline where the caller is on the executor already, up to a depth.
  template <typename Emission>
  static void emit_on(Executor const& ex, telling how, Emission emission) {
    auto nested = [emission = std::move(emission)] {
      nesting const inner;
      emission();
    };
    if (how == telling::by_posting || nesting::too_deep())
      asio::post(ex, std::move(nested));
    else
      asio::dispatch(ex, std::move(nested));
  }

  /// Has everything that is untold told, on its executor.
  void tell(telling how) {
    if (!nobody_untold(here_))
      emit_on(executor_, how, [self = this->shared_from_this()] {
        while (auto const child = self->next_untold(self->here_))
          self->tell_next(*child, self->here_);
      });
    while (auto const child = next_untold(elsewhere_)) {
      try {
        emit_on(child->get_executor(), how,
                [child] { child->scope.tell_next(*child, child->scope.elsewhere_); });
      } catch (...) {
        untell(*child, elsewhere_);
        throw;
      }
    }
  }

  /// For where there is nobody to throw to. Without memory to post with, the children end by
  /// themselves.
  void tell_or_give_up() noexcept {
    for (int attempts = 2; attempts > 0; --attempts) {
      try {
        return tell(telling::at_once);
      } catch (...) {
      }
    }
  }

  [[nodiscard]] bool nobody_untold(group const& of) const noexcept {
    std::lock_guard const lock(mutex_);
    return of.untold.empty();
  }

  [[nodiscard]] std::shared_ptr<record_type> next_untold(group& of) noexcept {
    std::lock_guard const lock(mutex_);
    auto* const child = of.untold.pop_front();
    if (!child) return nullptr;
    of.told.push_back(*child);
    return child->self;
  }

  void untell(record_type& child, group& of) noexcept {
    std::lock_guard const lock(mutex_);
    if (!child.self) return;
    child.unlink();
    of.untold.push_back(child);
  }

  void tell_next(record_type& child, group& of) {
    try {
      tell_one(child);
    } catch (...) {
      untell(child, of);
      throw;
    }
  }

  /// On the child's executor: sends it what is wanted of it, unless it has been sent as much. May
  /// end the child, and run anything that does.
  void tell_one(record_type& child) {
    if (!child.started || child.has_ended()) return;
    auto const type = wanted(child);
    if (!stronger(type, child.sent)) return;
    auto const before = std::exchange(child.sent, type);
    try {
      child.signal.emit(type);
    } catch (...) {
      child.sent = before;
      throw;
    }
  }

  /// Under the mutex: wakes up at `at`, or before.
  void arm(time_point at) {
    if (at == time_point::max()) return;
    timer_.arm(executor_, at, [weak = this->weak_from_this()](error_code const& failed) {
      if (failed) return;
      if (auto const self = weak.lock()) self->wake_up();
    });
  }

  void wake_up() {
    cause due = cause::none;
    {
      std::lock_guard const lock(mutex_);
      timer_.woken();
      auto const now = timer_.now();
      if (closed_ || requested_.load() == asio::cancellation_type::terminal) return;
      if (deadline_ && *deadline_ <= now) {
        due = cause::deadline;
      } else if (grace_ends_ <= now) {
        due = cause::requested;
      } else {
        return arm(deadline_ ? std::min(*deadline_, grace_ends_) : grace_ends_);
      }
    }
    request(asio::cancellation_type::terminal, due);
  }

  Executor const executor_;
  scope_settings const settings_;
  scope_form const form_;
  bool const parallel_;  // the executor runs handlers in parallel: each child needs a strand

  // The strongest type requested of the whole scope; never goes back. Written under the mutex, read
  // without it where a child is about to start: once it is set, none starts.
  std::atomic<asio::cancellation_type> requested_{asio::cancellation_type::none};

  // What is wanted of some only; they never go back. Written under the mutex, read without it.
  std::atomic<bool> shutting_down_{false};  // of the body: to end
  std::atomic<bool> services_end_{false};   // of service children: to end

  mutable std::mutex mutex_;      // guards what follows, and what record.hpp says
  group here_;                    // live children, and the body, on the scope's executor
  group elsewhere_;               // those on executors of their own
  start_queue<Executor> queue_;   // a part of `here_`: not given to co_spawn yet
  bool draining_ = false;         // a drain is posted or running; true while the queue is not empty
  std::size_t live_ = 0;          // enrolled and not retired, the body included
  std::size_t children_ = 0;      // the same without the body
  std::size_t lasting_ = 0;       // the same as `live_` without service children
  list<join_waiter> joins_;       // empty when `live_` is zero
  bool closed_ = false;           // the last child has ended and a join tells the outcome; for good
  bool owner_gone_ = false;       // the cancel_scope object has been destroyed
  bool outer_requested_ = false;  // a join's own cancellation was requested
  bool cut_short_ = false;     // a request of the scope ended something, or kept it from starting
  bool lost_ = false;          // a child was destroyed unfinished
  cause cause_ = cause::none;  // of the first request
  std::exception_ptr first_error_;        // the first real error; thrown in the end
  std::exception_ptr given_error_;        // the last error that a handle's join gave to somebody
  std::optional<std::stop_source> stop_;  // made when somebody asks for a token
  std::optional<time_point> deadline_;
  time_point grace_ends_ = time_point::max();  // of a shutdown; max: none is waited for
  shutdown_counts shutdown_;
  expiry_timer<Executor> timer_;
  drain drain_{*this};
};

template <typename Executor>
void record<Executor>::run() {
  scope.start(*this);
}

template <typename Executor>
void record<Executor>::drop() noexcept {
  scope.lose(*this);
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
