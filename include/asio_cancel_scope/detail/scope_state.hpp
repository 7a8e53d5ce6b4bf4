// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_error.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/deadline.hpp>
#include <asio_cancel_scope/detail/expiry_timer.hpp>
#include <asio_cancel_scope/detail/keep_running.hpp>
#include <asio_cancel_scope/detail/list.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/serial_executor.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/detail/slot_link.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

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
// Room. A child that finds no room waits as a record in `waiting_`, kept but not counted; the child
// that retires lets the next one in, and a request all of them, to find out that they never start.
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
// Adopting. An operation that is tracked is enrolled before somebody else starts it, and owned by
// its handler. Nobody but its starter knows where it runs, so it can be told from when its start is
// over; a request that came before is made up for then.
//
// Time. A deadline and the end of a grace period share one timer, which is made when the first is
// set and goes when the scope closes. Its calls are the only ones to Asio under the lock.
//
// Joining. Joins are completed by the last record to retire, by posting, and what they report is
// computed when they are delivered: an outer request that comes in between still counts.
//
// Other contexts. When its scope has been left, the scope's context may be destroyed, and the state
// holds an executor of it. So nothing of another context holds the state then: the joins wait for
// emissions that are queued there, and whoever retires a child there, or asks from another thread,
// keeps the scope's context running until he has let go.
//
// Slots. A signal may outlive the context, and a scope must not: what is put into the slot of a
// handler holds the scope weakly. As a rule a record has no room for weak counts: to a child, or to
// one of its joins, there is a `slot_link`, which is disconnected under the lock when the join is
// taken out of its list, or before the record of the child goes.
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
  using link_type = slot_link<Executor>;

  enum class cause : unsigned char { none, requested, deadline, child_error, outer };

  /// What there is to say of a block that has been left.
  struct leaving {
    std::exception_ptr error;
    bool cut_short;
    cause why;
    shutdown_counts shutdown;
  };

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

  /// Makes `child` live and sees to its start. Throws if the scope is closed or full, or what
  /// posting throws; then the scope is as it was. The caller keeps the child meanwhile.
  void spawn(record_type& child);

  /// The same, but answers false if the scope is full or cancelled.
  [[nodiscard]] bool try_spawn(record_type& child);

  /// The same, when there is room. Throws if the scope is closed.
  void spawn_when_room(record_type& child);

  /// Ends the wait for room of `child`, if it still waits: it never starts, and the scope has not
  /// heard of it. Answers whether it did wait.
  bool end_wait_for_room(record_type& child);

  /// Completes the join of the starter of `child`, unless the child has been asked to end.
  /// Answers whether it has.
  bool settle(record_type& child);

  /// Makes `children` live and starts each at once, unless it must go through an executor. `join`
  /// waits for them and for all that is spawned.
  void start_together(std::span<reference<record_type> const> children, join_waiter& join);

  /// Makes an operation live that is about to be started by somebody else. Throws if the scope is
  /// closed or full.
  void adopt(record_type& operation);

  /// The operation can be told from now on. If it has been cancelled it is, but not in this call.
  void adopted_has_started(reference<record_type> const& operation) noexcept;

  /// On its executor: an adopted operation has ended; it retires when its handler has returned.
  void adopted_has_ended(record_type& operation, bool by_cancellation) noexcept;

  /// On the child's executor: it starts, or never will.
  void start(record_type& child);

  /// On the child's executor, when its coroutine is about to be entered: the last moment at which
  /// it can be kept from it. An executor may have let time pass since `start`.
  void enter(record_type& child);

  /// On the child's executor: its coroutine has ended, with a value or with `e`.
  void finish(record_type& child, std::exception_ptr e) noexcept;

  /// The child's frame, or what was to start it, has been destroyed.
  void lose(record_type& child) noexcept;

  /// Gives a child's token the error that kept the child out of the scope.
  void refuse(record_type& child, std::exception_ptr e) noexcept;

  /// Publishes the outcome; nothing of the child is left but that.
  void retire(record_type& child) noexcept;

  // --------------------------------------------------------------------------------- cancellation

  /// Asks everything in the scope to end.
  void request(asio::cancellation_type mask, cause why, telling how = telling::at_once);

  /// Ends everything, for where there is nobody to throw to.
  void request_surely(cause why) noexcept;

  /// Asks everything to finish, the body to end, and everything to end when `grace` is over. A
  /// second time it is over at once.
  void shutdown(duration grace);

  /// Fails the scope before anything has been started in it.
  void fail(std::exception_ptr e);

  /// Has `child` told on `ex`, where it runs.
  template <typename RunsOn>
  void tell_on(RunsOn const& ex, reference<record_type> child, telling how);

  /// Asks one child to end.
  void request_of(record_type& child, asio::cancellation_type mask);

  /// The same for a slot.
  void request_of(link_type const& link, asio::cancellation_type mask);

  /// The child that a slot is linked to, while the scope keeps it.
  [[nodiscard]] reference<record_type> child_of(link_type const& link) const noexcept;

  /// Lets a slot find nothing any more.
  void disconnect(slot_anchor<Executor>& anchor) const noexcept {
    std::lock_guard const lock(mutex_);
    anchor.disconnect();
  }

  /// The slot that had `link` is cleared.
  void disconnect(link_type& link) const noexcept {
    std::lock_guard const lock(mutex_);
    link.leave_anchor();
  }

  /// Asks a child to end if its starter still waits.
  void request_of_unsettled(record_type& child, asio::cancellation_type mask);

  // ------------------------------------------------------------------------------------------ time

  /// Sets the deadline that the options ask for: on entry.
  void start_deadline();

  void cancel_after(duration d) { set_deadline(detail::after(timer_.now(), d)); }

  /// Moves the deadline; `time_point::max()` is none.
  void set_deadline(time_point at);

  [[nodiscard]] std::optional<time_point> deadline() const {
    std::lock_guard const lock(mutex_);
    return deadline_;
  }

  // --------------------------------------------------------------------------------------- joining

  /// Completes `join` when no child is left. `here`: its handler runs on the scope's executor.
  void join(join_waiter& join, bool here = true);

  /// Completes `join` when `child` is done.
  void join(reference<record_type> const& child, waiter<record_type>& join);

  [[nodiscard]] bool has_joins(record_type const& child) const noexcept {
    std::lock_guard const lock(mutex_);
    return !child.joins.empty();
  }

  /// Undoes what has been done with a join of a child of which nobody has heard.
  void forget(record_type& child, waiter<record_type>& join) noexcept;

  /// Ends the wait of one join of a child, if it still waits.
  void end_join(link_type const& link);

  /// What leaving throws. To be asked when a join is delivered.
  [[nodiscard]] std::exception_ptr outcome() const {
    std::lock_guard const lock(mutex_);
    return error_of_leaving();
  }

  /// All that there is to say when a block has been left.
  [[nodiscard]] leaving leave() {
    // Destroyed here, by who leaves: another thread may be about to let go of the state.
    [[maybe_unused]] auto const observer = std::move(settings_.on_suppressed);
    std::lock_guard const lock(mutex_);
    return {error_of_leaving(), cut_short_, cause_, shutdown_};
  }

  /// The scope object goes. Children that are left are asked to end, and nobody waits.
  void abandon() noexcept;

  /// To be held, by who is not on the scope's context, longer than a reference to the scope or to a
  /// child. Keeps nothing if nobody waits there: then the context may have gone, and the end of its
  /// only work would stop it.
  [[nodiscard]] keep_running<Executor> keep_context() const noexcept {
    return is_awaited_here() ? keep_running<Executor>(executor_) : keep_running<Executor>();
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

  /// As a task to post: empties the queue.
  class drain {
   public:
    using allocator_type = std::allocator<void>;

    drain() = default;
    explicit drain(std::shared_ptr<scope_state> scope) noexcept : scope_(std::move(scope)) {}

    explicit operator bool() const noexcept { return static_cast<bool>(scope_); }
    [[nodiscard]] void const* identity() const noexcept { return scope_.get(); }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }
    void run() const noexcept { scope_->start_queued(); }
    void drop() const noexcept { scope_->lose_queued(); }

   private:
    std::shared_ptr<scope_state> scope_;
  };

  /// As a task to post: starts one child. Shares it, because an executor may keep the task of a
  /// child that has been withdrawn.
  class start_of {
   public:
    using allocator_type = std::allocator<void>;

    start_of() = default;
    explicit start_of(reference<record_type> child) noexcept : child_(std::move(child)) {}

    explicit operator bool() const noexcept { return static_cast<bool>(child_); }
    [[nodiscard]] void const* identity() const noexcept { return child_.get(); }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }
    void run() {
      auto const running = child_->scope->keep_context();
      auto const child = std::move(child_);
      if (child->scope->is_live(*child)) child->scope->start(*child);
    }
    void drop() noexcept {
      auto const running = child_->scope->keep_context();
      auto const child = std::move(child_);
      if (child->scope->is_live(*child)) child->scope->lose(*child);
    }

   private:
    reference<record_type> child_;
  };

  /// A function object for the executor of a child that runs elsewhere: tells it. The joins wait
  /// for its end.
  class emission {
   public:
    explicit emission(reference<record_type> child) noexcept : child_(std::move(child)) {}
    emission(emission&&) noexcept = default;
    emission& operator=(emission&&) = delete;
    ~emission() {
      if (!child_) return;
      auto const running = child_->scope->keep_context();
      auto const scope = child_->scope;
      child_.reset();  // before the scope may be left
      scope->end_emission();
    }

    void operator()() const { child_->scope->tell_one(*child_); }

   private:
    reference<record_type> child_;  // null when moved from
  };

  /// False if there is nobody to tell any more.
  [[nodiscard]] bool begin_emission(record_type const& child) noexcept {
    std::lock_guard const lock(mutex_);
    if (!child.is_kept() || child.past_telling) return false;
    ++emissions_;
    return true;
  }

  void end_emission() noexcept;

  /// The coroutine of a child with a token has ended: its executor may never run again.
  void stop_telling(record_type& child) noexcept {
    std::lock_guard const lock(mutex_);
    child.past_telling = true;
    child.unlink();
  }

  /// Whether who waits keeps the scope's context running by himself.
  [[nodiscard]] bool is_awaited_here() const noexcept {
    std::lock_guard const lock(mutex_);
    return !joins_.empty() && (is_block() || joined_here_);
  }

  [[nodiscard]] bool is_live(record_type const& child) const noexcept {
    std::lock_guard const lock(mutex_);
    return child.is_kept() && child.enrolled;
  }

  void expect_open() const {
    if (closed_)
      throw std::logic_error(
          "asio_cancel_scope: the scope is closed: nothing can be started in it");
  }

  void expect_room() const {
    if (!has_room())
      throw std::length_error("asio_cancel_scope: the scope has as many children as it may have");
  }

  void enroll(record_type& child) noexcept;

  /// Undoes `enroll` for a child of which nobody has heard.
  [[nodiscard]] reference<record_type> withdraw(record_type& child) noexcept;

  /// What is to be done, without the mutex, to get a child started.
  enum class step : unsigned char { none, refuse, post_drain, post_child };

  [[nodiscard]] group& group_of(record_type const& child) noexcept {
    return child.runs_elsewhere() ? elsewhere_ : here_;
  }

  [[nodiscard]] bool has_room() const noexcept { return children_ < settings_.max_children; }

  /// Under the mutex.
  [[nodiscard]] step take_in(record_type& child) noexcept;

  /// Under the mutex: what `take_in` does with a child that is live already.
  [[nodiscard]] step place_in(record_type& child) noexcept;

  /// Under the mutex: gives the room that a child has left to the first that waits for it. Answers
  /// whether the caller is to admit it; if not, somebody else is about to.
  [[nodiscard]] bool give_room() noexcept;

  /// Lets in those that have got room, one after the other, also those that get it meanwhile: a
  /// child that ends in here, because its context dies, must not let in the next one deeper down.
  void admit_all() noexcept;

  void carry_out(step next, record_type& child);

  /// As `carry_out`, for a child of which nobody has heard: what fails leaves no trace.
  void carry_out_or_withdraw(step next, record_type& child);

  /// Lets in a child that has waited for room.
  void admit(step next, reference<record_type> const& child) noexcept;

  /// The drain that was to start `child` could not be posted.
  void leave_queue(record_type& child) noexcept;

  void start_queued() noexcept;

  [[nodiscard]] start_queue<Executor> take_queued() noexcept;

  /// The drain is gone: the queued children will never start.
  void lose_queued() noexcept;

  /// The drain could not be posted, and children that others have queued relied on it.
  void fail_queued(std::exception_ptr const& e) noexcept;

  [[nodiscard]] start_queue<Executor> stop_draining() noexcept;

  /// The strongest that has been requested of this child, by whomever.
  [[nodiscard]] asio::cancellation_type wanted(record_type const& child) const noexcept;

  /// Whether a request has been made of the child: it does not start any more, and if it ends by a
  /// cancellation error, that is the answer and not an error.
  [[nodiscard]] bool is_told(record_type const& child) const noexcept {
    return wanted(child) != asio::cancellation_type::none;
  }

  /// Notes a request of all. Gives the stop source that is to be told, if any.
  [[nodiscard]] std::optional<std::stop_source> note_request(asio::cancellation_type type,
                                                             cause why) noexcept;

  /// Under the mutex, after a request: those that wait for room become live, and never start.
  void take_waiting(list<record_type>& taken) noexcept;

  /// Ends live children that are not to start: on their executors, where callables are destroyed.
  void turn_away(list<record_type> waiting) noexcept;
  void turn_away(reference<record_type> const& child) noexcept;

  /// Under the mutex: the join of the starter of `child`, if it has not been settled.
  [[nodiscard]] waiter<record_type>* unsettled(record_type& child) const noexcept {
    return child.joins.find_if([](auto const& join) { return join.id == join.of_starter; });
  }

  /// Under the mutex: notes a request of one child. Gives the child if there is one to tell.
  [[nodiscard]] reference<record_type> ask(record_type& child,
                                           asio::cancellation_type mask) noexcept;

  /// When the scope is being left: once only service children are left, they are to end. Answers
  /// whether there is somebody to be told.
  [[nodiscard]] bool end_services() noexcept;

  /// Under the mutex, when there is less to wait for than before: closes the scope if no child is
  /// left, and takes the joins that are to be completed if nothing is. Answers whether there is
  /// somebody to be told.
  [[nodiscard]] bool leave_if_last(list<join_waiter>& joins) noexcept;

  /// Completes all of `joins`, which are not in the scope any more.
  static void complete_all(list<join_waiter>& joins, std::shared_ptr<scope_state> scope) noexcept;

  void untell_all() noexcept {
    here_.untold.splice(here_.told);
    elsewhere_.untold.splice(elsewhere_.told);
  }

  void close() noexcept {
    closed_.store(true, std::memory_order_release);
    timer_.stop();
  }

  [[nodiscard]] std::exception_ptr error_of_leaving() const;

  void count_for_shutdown(record_type const& child) noexcept;

  void never_start(record_type& child) noexcept;

  void conclude(record_type& child, std::exception_ptr e) noexcept;

  [[nodiscard]] bool was_cut_by_scope(record_type const& child) const noexcept {
    return (child.ending == end::cut || child.ending == end::cut_before_start) && cancel_called() &&
           !child.told_alone;
  }

  /// An error of a child that has no token, or of the body. The child still counts.
  void report(record_type const& child) noexcept;

  /// Under the mutex, when the scope has failed: the body may throw on `e`.
  void remember(std::exception_ptr const& e) noexcept {
    try {
      given_errors_.push_back(e);
    } catch (...) {
      // No memory: then it may be told of twice.
    }
  }

  /// Under the mutex: whether the body throws on what has been told of before.
  [[nodiscard]] bool is_known(std::exception_ptr const& e) const noexcept;

  void suppress(std::exception_ptr const& e) const noexcept {
    if (settings_.on_suppressed) settings_.on_suppressed(e);
  }

  // Emissions run inline where the caller is on the executor already, up to a depth.
  template <typename RunsOn, typename Emission>
  static void emit_on(RunsOn const& ex, telling how, Emission emission);

  /// Has everything that is untold told, on its executor.
  void tell(telling how);

  /// For where there is nobody to throw to. Without memory to post with, the children end by
  /// themselves.
  void tell_or_give_up() noexcept;

  [[nodiscard]] bool nobody_untold(group const& of) const noexcept {
    std::lock_guard const lock(mutex_);
    return of.untold.empty();
  }

  [[nodiscard]] reference<record_type> next_untold(group& of) noexcept;

  void untell(record_type& child) noexcept;

  /// Starts a child that is live, at once or through its executor.
  void start_now(reference<record_type> const& child);

  /// On the child's executor: sends it what is wanted of it, unless it has been sent as much. May
  /// end the child, and run anything that does.
  void tell_one(record_type& child);

  /// Under the mutex: wakes up at `at`, or before.
  void arm(time_point at);

  void wake_up();

  Executor const executor_;
  scope_settings settings_;  // constant until a block has been left
  scope_form const form_;
  bool const parallel_;  // the executor runs handlers in parallel: each child needs a strand

  // The strongest type requested of the whole scope; never goes back. Written under the mutex, read
  // without it where a child is about to start: once it is set, none starts.
  std::atomic<asio::cancellation_type> requested_{asio::cancellation_type::none};

  // What is wanted of some only; they never go back. Written under the mutex, read without it.
  std::atomic<bool> shutting_down_{false};  // of the body: to end
  std::atomic<bool> services_end_{false};   // of service children: to end

  // The last child has ended with a join pending, which may still wait for emissions, or the owner
  // has gone with no child left; for good. Written under the mutex, read without it by that owner.
  std::atomic<bool> closed_{false};

  mutable std::mutex mutex_;      // guards what follows, and what record.hpp says
  group here_;                    // live children, and the body, on the scope's executor
  group elsewhere_;               // those on executors of their own
  start_queue<Executor> queue_;   // a part of `here_`: not given to co_spawn yet
  bool draining_ = false;         // a drain is posted or running; true while the queue is not empty
  std::size_t live_ = 0;          // enrolled and not retired, the body included
  std::size_t children_ = 0;      // the same without the body
  std::size_t lasting_ = 0;       // the same as `live_` without service children
  std::size_t emissions_ = 0;     // queued on executors of children that run elsewhere, or running
  list<record_type> waiting_;     // for room, first come first; empty while there is room, and
                                  // once a request has been made
  list<record_type> admitted_;    // live, and neither told of anything nor given to their executor
  bool admitting_ = false;        // somebody empties `admitted_`; true while it is not empty
  list<join_waiter> joins_;       // empty when `live_` and `emissions_` are zero
  bool joined_here_ = false;      // one of them has a handler that runs on the scope's executor
  bool owner_gone_ = false;       // the cancel_scope object has been destroyed
  bool outer_requested_ = false;  // a join's own cancellation was requested
  bool cut_short_ = false;     // a request of the scope ended something, or kept it from starting
  bool lost_ = false;          // a child was destroyed unfinished
  cause cause_ = cause::none;  // of the first request
  std::exception_ptr first_error_;  // the first real error; thrown in the end
  // Errors that the observer was given once the scope had failed. No child starts after that, or
  // the body has ended, so there are no more than there were children then.
  std::vector<std::exception_ptr> given_errors_;
  std::optional<std::stop_source> stop_;       // made when somebody asks for a token
  std::optional<time_point> deadline_;         // stays when it has passed; empty: none
  time_point grace_ends_ = time_point::max();  // of a shutdown; max: none is waited for
  shutdown_counts shutdown_;                   // of children that retired while `shutting_down_`
  expiry_timer<Executor> timer_;               // stopped when terminal is requested, or at the end
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail

// What the members do.
#include <asio_cancel_scope/detail/scope_cancelling.hpp>
#include <asio_cancel_scope/detail/scope_leaving.hpp>
#include <asio_cancel_scope/detail/scope_starting.hpp>
