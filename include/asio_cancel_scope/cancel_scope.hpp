// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/cancel_cause.hpp>
#include <asio_cancel_scope/child.hpp>
#include <asio_cancel_scope/child_options.hpp>
#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/admission.hpp>
#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/child_record.hpp>
#include <asio_cancel_scope/detail/co_await_temporaries.hpp>
#include <asio_cancel_scope/detail/completion_token.hpp>
#include <asio_cancel_scope/detail/deadline.hpp>
#include <asio_cancel_scope/detail/join.hpp>
#include <asio_cancel_scope/detail/placement.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/reference.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/serial_executor.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/detail/start_record.hpp>
#include <asio_cancel_scope/detail/token_record.hpp>
#include <asio_cancel_scope/detail/tracked.hpp>
#include <asio_cancel_scope/ready_signal.hpp>
#include <asio_cancel_scope/scope_options.hpp>
#include <asio_cancel_scope/shutdown_report.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND {

/// Owns the coroutines that are spawned in it: one call cancels them all, and when the scope has
/// been left none of them is left.
///
/// A scope is usually the parameter of a body given to `with_cancel_scope`, which leaves it. As an
/// object of its own it is left with `async_join`. Leaving waits until every child has ended and
/// its frame, its callable and the captures are destroyed; it does not cancel them. A real error of
/// a child cancels the scope, and leaving throws the first such error, the very object; later ones
/// go to `scope_options::on_suppressed`. After a cancellation of the scope the `operation_aborted`
/// of those that were told is swallowed. As Trio's nursery and asyncio's TaskGroup, except that one
/// error is thrown, not a group of all.
///
/// The usual mistake is to expect that a body which returns ends its children: call `cancel()`
/// first.
///
/// @tparam Executor  The executor of the scope and, unless they are given another, of its children.
///   It must serialise handlers: an `io_context` run by one thread, or a strand. Inside
///   `any_io_executor`, the executor of a `thread_pool` and the `system_executor` are recognised,
///   and the body and each child get a strand of their own. One `io_context` run by several threads
///   cannot be recognised: give the scope, or each child, a strand.
///
/// @par Object Lifetimes
/// Neither copyable nor movable. Destroyed with children left, which happens when its frame is
/// destroyed, it asks them to end and does not wait; what it shares with them lives until the last
/// is gone. Children that refer to the destroyed frame must run on a context that dies no later.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe.@n
/// @e Shared @e objects: Safe, except construction and destruction. What a child did happens before
/// its join completes, and before the scope has been left.
///
/// @par Example
/// @snippet examples/01_first_scope.cpp first_scope
template <typename Executor = asio::any_io_executor>
class cancel_scope {
  static_assert(
      !detail::parallel_executor<Executor>,
      "asio_cancel_scope: the executor of a thread_pool, and system_executor, run the "
      "handlers of one child in parallel: use a strand, or any_io_executor, in which each "
      "child gets a strand of its own");

 public:
  /// The type of the executor.
  using executor_type = Executor;
  /// The clock of the deadlines.
  using clock_type = std::chrono::steady_clock;
  /// A duration of that clock.
  using duration = clock_type::duration;
  /// A point in time of that clock.
  using time_point = clock_type::time_point;

  /// The scope of another executor type, as Asio's tokens look for it.
  template <typename E>
  struct rebind_executor {
    /// The scope with the executor type `E`.
    using other = cancel_scope<E>;
  };

  /// Makes an open scope without children.
  explicit cancel_scope(executor_type ex, scope_options options = {})
      : state_(std::make_shared<state_type>(ex, std::move(detail::access::settings(options)))) {
    state_->start_deadline();
  }

  /// Makes an open scope without children on the executor of `context`.
  template <detail::execution_context ExecutionContext>
  explicit cancel_scope(ExecutionContext& context, scope_options options = {})
      : cancel_scope(executor_type(context.get_executor()), std::move(options)) {}

  cancel_scope(cancel_scope const&) = delete;
  cancel_scope& operator=(cancel_scope const&) = delete;

  /// Asks children that are left to end, without waiting. No-throw guarantee.
  ~cancel_scope() { state_->abandon(); }

  /// The executor of the scope.
  [[nodiscard]] executor_type get_executor() const noexcept { return state_->get_executor(); }

  /// Starts a child.
  ///
  /// The child's code does not run inside this call: it starts on its executor afterwards, and
  /// children of one executor start in the order in which they were spawned. In a scope that has
  /// been cancelled it never starts: @p c is destroyed, and the handle is done with
  /// `operation_aborted`. The body and the children may spawn, also the last one, as long as they
  /// run.
  ///
  /// @param c  An `awaitable<T>`, or a callable without parameters that returns one. It is kept
  ///   with its captures until the child has ended. A callable that throws before it returns its
  ///   awaitable is a child that fails.
  ///
  /// @return A handle, which may be dropped at once.
  ///
  /// @throws std::logic_error if the scope is closed.
  /// @throws std::length_error, which is a `logic_error`, if it is full and has not been cancelled.
  /// @throws what copying @p c, allocating or posting throws.
  ///   In each case nothing has been started, and the scope is as it was.
  template <typename C>
    requires(!detail::placement<C>)
  child<detail::child_value_t<C>, Executor> spawn(C c) {
    return spawn_record(make_record(std::move(c)));
  }

  /// Starts a child that runs on @p where: an executor, an execution context, or `child_options`.
  ///
  /// A child's own executor must serialise its handlers: one thread, or a strand.
  ///
  /// @par Object Lifetimes
  /// The context of @p where must not die before the child has ended; nor, if the child is told
  /// from another thread, before the call that tells it has returned.
  ///
  /// @throws std::invalid_argument if the executor in `child_options` is not an `Executor`. From
  ///   the call itself, also where a token starts the operation later.
  template <detail::placement Where, typename C>
  child<detail::child_value_t<C>, Executor> spawn(Where&& where, C c) {
    return spawn_record(make_record(detail::executor_of<Executor>(where),
                                    detail::settings_of(where), std::move(c)));
  }

  /// Starts a child whose outcome, error included, goes to a completion token: it never fails the
  /// scope, which cancels it and waits for it all the same, until the token's handler has returned.
  ///
  /// @param c  As for `spawn(c)`.
  /// @param token  Completion token.
  ///
  /// @par Completion Signature
  /// @code void(std::exception_ptr, T) @endcode
  /// or `void(std::exception_ptr)` for an `awaitable<void>`, as that of `asio::co_spawn`; with
  /// `operation_aborted` for a child that never started. `T` must be default constructible.
  ///
  /// @par Executor
  /// The handler runs on its associated executor, by default that of the child; never from inside
  /// this function.
  ///
  /// @par Per-Operation Cancellation
  /// @li `terminal`, `partial`, `total`: as `child::cancel` with that type.
  ///
  /// @throws std::logic_error and more, as `spawn(c)`. With a token that starts the operation
  ///   later, such as `use_awaitable`, the token gets the error.
  template <typename C, typename CompletionToken>
    requires(!detail::placement<C>)
  auto spawn(C c, CompletionToken&& token) {
    return spawn_to<CompletionToken>({}, std::nullopt, std::move(c), token);
  }

  /// Starts a child that runs on @p where and whose outcome goes to a completion token.
  template <detail::placement Where, typename C, typename CompletionToken>
  auto spawn(Where&& where, C c, CompletionToken&& token) {
    return spawn_to<CompletionToken>(detail::settings_of(where),
                                     detail::executor_of<Executor>(where), std::move(c), token);
  }

  /// Starts a child if the scope has room for it and has not been cancelled.
  ///
  /// @return A handle, or nothing: then @p c has been destroyed.
  ///
  /// @throws std::logic_error and more, as `spawn(c)`, but not std::length_error.
  template <typename C>
    requires(!detail::placement<C>)
  std::optional<child<detail::child_value_t<C>, Executor>> try_spawn(C c) {
    return try_spawn_record(make_record(std::move(c)));
  }

  /// Starts a child that runs on @p where if the scope has room for it and has not been cancelled.
  template <detail::placement Where, typename C>
  std::optional<child<detail::child_value_t<C>, Executor>> try_spawn(Where&& where, C c) {
    return try_spawn_record(make_record(detail::executor_of<Executor>(where),
                                        detail::settings_of(where), std::move(c)));
  }

  /// Starts a child as soon as the scope has room for it, in the order of the calls.
  ///
  /// @param c  As for `spawn(c)`. On GCC up to 12 a temporary that is not trivially destructible is
  ///   refused, as by `with_cancel_scope`: name it first.
  /// @param token  Completion token; default: that of the executor where it names one, else
  ///   `use_awaitable_t<Executor>`.
  ///
  /// @par Completion Signature
  /// @code void(std::exception_ptr, child<T, Executor>) @endcode
  /// A null pointer and the handle of the child, or an error and a handle that may only be
  /// destroyed or assigned to. When the scope is cancelled the child never starts, and its handle
  /// tells so.
  ///
  /// @par Executor
  /// The handler runs on its associated executor, by default that of the child; never from inside
  /// this function.
  ///
  /// @par Per-Operation Cancellation
  /// @li `terminal`, `partial`, `total`: the wait ends with `operation_aborted`, @p c is destroyed,
  ///   and the scope is left alone. Once the child has been let in this has no effect.
  ///
  /// @par Errors
  /// @li `std::logic_error` if the scope is closed.
  ///
  /// @par Object Lifetimes
  /// The context that the child is to run on must not die while it waits for room. A child that
  /// waits here for room in its own full scope keeps its own place meanwhile: if all do, nobody
  /// gets in.
  ///
  /// @par Example
  /// @snippet examples/16_bounded_server.cpp bounded
  template <typename C, typename CompletionToken = detail::default_token_t<Executor>>
    requires(!detail::placement<C>)
  auto async_spawn(C&& c, CompletionToken&& token = CompletionToken()) {
    return spawn_when_room<CompletionToken>({}, std::nullopt, std::forward<C>(c), token);
  }

  /// Starts a child that runs on @p where as soon as the scope has room for it.
  template <detail::placement Where, typename C,
            typename CompletionToken = detail::default_token_t<Executor>>
  auto async_spawn(Where&& where, C&& c, CompletionToken&& token = CompletionToken()) {
    return spawn_when_room<CompletionToken>(detail::settings_of(where),
                                            detail::executor_of<Executor>(where),
                                            std::forward<C>(c), token);
  }

  /// Starts a child and waits until it says that it is ready; then it goes on in the scope.
  ///
  /// Until then its outcome belongs to who waits: an error comes out of here and does not fail the
  /// scope. The scope stays open until the start is settled. As Trio's `nursery.start`.
  ///
  /// @tparam V  What the child is ready with.
  /// @param f  A callable that takes a `ready_signal<V>` and returns an awaitable. On GCC up to 12
  ///   a temporary that is not trivially destructible is refused: name it first.
  /// @param token  Completion token; default: that of the executor where it names one, else
  ///   `use_awaitable_t<Executor>`.
  ///
  /// @par Completion Signature
  /// @code void(std::exception_ptr, V) @endcode
  /// or `void(std::exception_ptr)` for a start that is ready with nothing. `V` must be default
  /// constructible.
  ///
  /// @par Executor
  /// The handler runs on its associated executor, by default that of the child; never from inside
  /// this function, also when the child is ready at once.
  ///
  /// @par Per-Operation Cancellation
  /// @li `terminal`, `partial`, `total`: while it waits for room, as `async_spawn`; after that the
  ///   child is asked to end, as by `child::cancel`, and this completes when it has ended. A child
  ///   that says it is ready after it has been asked is not handed over.
  ///
  /// @par Errors
  /// @li what the child ends with before it is ready; `operation_aborted` if it never started.
  /// @li `std::logic_error` if it ends without having said so, or if the scope is closed.
  ///
  /// @par Example
  /// @snippet examples/15_ready_server.cpp server
  /// @snippet examples/15_ready_server.cpp start
  template <typename V = void, typename F,
            typename CompletionToken = detail::default_token_t<Executor>>
    requires(!detail::placement<F>)
  auto async_start(F&& f, CompletionToken&& token = CompletionToken()) {
    return start_with<V, CompletionToken>({}, std::nullopt, std::forward<F>(f), token);
  }

  /// Starts a child that runs on @p where, and waits until it says that it is ready.
  template <typename V = void, detail::placement Where, typename F,
            typename CompletionToken = detail::default_token_t<Executor>>
  auto async_start(Where&& where, F&& f, CompletionToken&& token = CompletionToken()) {
    return start_with<V, CompletionToken>(detail::settings_of(where),
                                          detail::executor_of<Executor>(where), std::forward<F>(f),
                                          token);
  }

  /// Makes any asynchronous operation a child:
  /// `socket.async_read_some(buffer, scope.track(token))`.
  ///
  /// The operation is cancelled with the scope and waited for, until the token's handler has
  /// returned; its outcome, error included, goes to @p token and never fails the scope. It counts
  /// from this call on, and no more when what this returns is destroyed without having been used.
  /// An operation cannot be kept from starting: after a cancellation it is started, and told at
  /// once.
  ///
  /// @param token  Completion token, and the outermost one:
  ///   `scope.track(bind_executor(ex, token))`.
  ///
  /// @return A completion token that is good for one operation, with what the operation returns
  ///   for @p token. It refers to nothing of this object.
  ///
  /// @par Executor
  /// The operation, its cancellation and the handler run on the handler's associated executor, by
  /// default that of the initiation, else that of the scope; that default also for `use_future`,
  /// whose own executor runs a handler wherever it is. A `thread_pool` or the `system_executor`
  /// there is replaced by a strand on it.
  ///
  /// @par Per-Operation Cancellation
  /// @li What the operation supports. It is sent what the scope is asked for, on its executor, and
  ///   what arrives at a slot that @p token has.
  ///
  /// @throws std::logic_error if the scope is closed; std::length_error if it has no room;
  ///   std::bad_alloc.
  ///
  /// @par Example
  /// @snippet examples/20_track.cpp track
  template <typename CompletionToken>
  [[nodiscard]] auto track(CompletionToken&& token) {
    return detail::tracked_token<Executor, std::decay_t<CompletionToken>>(
        state_, std::forward<CompletionToken>(token));
  }

  /// Cancels the scope: every child and the body are asked to end, and what is spawned later never
  /// starts.
  ///
  /// It only asks: a child that goes on is waited for. Of the types in @p type the strongest counts
  /// (`terminal`, `partial`, `total`; `none` does nothing), and no child is sent a type weaker than
  /// one that it has been sent. Coroutines react to `terminal` only, unless they have reset their
  /// cancellation state. On a closed scope this does nothing.
  ///
  /// May be called again, and from anywhere: a child, the body, another thread, a destructor,
  /// inside an emission. It does not block. Each signal is emitted on the executor of the child
  /// that it is for: at once if this is called there, so that its next `co_await` sees it, else
  /// posted.
  ///
  /// @throws std::bad_alloc if there is no memory to post with; it may be called again.
  void cancel(asio::cancellation_type type = asio::cancellation_type::terminal) {
    state_->request(type, state_type::cause::requested);
  }

  /// Sets a deadline: when it comes the scope is cancelled, with `cancel_cause::deadline`.
  ///
  /// A scope has one deadline, which may be moved and cleared at any time, any number of times. A
  /// deadline in the past cancels at once; `duration::max()`, and what is too long for the clock,
  /// is never. On a closed scope this does nothing.
  ///
  /// The deadline is kept by a timer on the scope's executor: a body that does not let go of its
  /// thread is cancelled when it does.
  ///
  /// @param d  From now, in any unit; a fraction of the clock's tick is rounded up.
  ///
  /// @throws what making the timer or waiting for it throws, and as `cancel()`; it may be called
  ///   again.
  template <typename Rep, typename Period>
  void cancel_after(std::chrono::duration<Rep, Period> d) {
    state_->cancel_after(detail::saturated(d));
  }

  /// Sets the deadline to a point in time, as `cancel_after`. `time_point::max()` is never.
  void cancel_at(time_point at) { state_->set_deadline(at); }

  /// Takes the deadline away.
  void clear_deadline() { state_->set_deadline(time_point::max()); }

  /// The deadline, if one is set; also when it has passed.
  [[nodiscard]] std::optional<time_point> deadline() const { return state_->deadline(); }

  /// Asks everything to finish: nothing new starts, the body is cancelled (terminal) so that it
  /// takes in no more work, the children are asked with `cancellation_type::total`, and when the
  /// grace period is over everything that is left is cancelled (terminal).
  ///
  /// Children that were spawned with `child_options().graceful()` accept `total`, at every
  /// `co_await`; what such a child must finish runs in a block of its own, which `total` passes by
  /// and terminal does not. Other children go on until terminal; `get_stop_token()` tells them to
  /// finish.
  ///
  /// Called a second time, or followed by `cancel()`, it ends the grace period at once: the second
  /// Ctrl-C forces. A deadline that comes earlier ends it too. The cause is `requested`. On a
  /// closed scope this does nothing.
  ///
  /// @param grace  In any unit; zero or less cancels at once.
  ///
  /// @throws as `cancel_after`.
  template <typename Rep, typename Period>
  void shutdown(std::chrono::duration<Rep, Period> grace) {
    state_->shutdown(detail::saturated(grace));
  }

  /// Of the children that `shutdown` found running: how many have ended so far.
  [[nodiscard]] shutdown_report shutdown_counts() const noexcept {
    return detail::access::make<shutdown_report>(state_->shutdown_so_far());
  }

  /// Whether cancellation of this scope has been requested, whatever the cause.
  [[nodiscard]] bool cancel_called() const noexcept { return state_->cancel_called(); }

  /// Whether the cancellation has cut something short: a child or the body that was told and ended
  /// by it, or a child that never started. As `cancelled_caught` of Trio's CancelScope.
  [[nodiscard]] bool cancelled_caught() const noexcept { return state_->cancelled_caught(); }

  /// Why the scope was cancelled: the first cause.
  [[nodiscard]] cancel_cause cause() const noexcept {
    return static_cast<cancel_cause>(state_->why());
  }

  /// How many children have not ended, started or not. The body is not counted.
  [[nodiscard]] std::size_t size() const noexcept { return state_->size(); }

  /// A token whose stop is requested when `cancel_called()` becomes true, for code that is not a
  /// coroutine. Callbacks run in the thread that cancels, inside `cancel()`.
  [[nodiscard]] std::stop_token get_stop_token() const { return state_->get_stop_token(); }

  /// The name given in `scope_options`.
  [[nodiscard]] std::string const& name() const noexcept { return state_->name(); }

  /// Waits until no child is left, and closes the scope.
  ///
  /// The scope closes when its last child ends with a join pending, or when a join comes with none
  /// left. A closed scope is not opened again: starting something in it throws `std::logic_error`.
  /// There may be any number of joins, and each gets the outcome. A child that joins its own scope
  /// waits for itself.
  ///
  /// @param token  Completion token; default: that of the executor where it names one, else
  ///   `use_awaitable_t<Executor>`.
  ///
  /// @par Completion Signature
  /// @code void(std::exception_ptr) @endcode
  /// The first real error of a child; else `operation_aborted` if a join was cancelled from outside
  /// and that cut something short; else null.
  ///
  /// @par Executor
  /// The handler runs on its associated executor, by default that of the scope; never from inside
  /// this function, even when no child is left.
  ///
  /// @par Per-Operation Cancellation
  /// @li `terminal`, `partial`, `total`: the scope is cancelled with that type, and the wait goes
  /// on.
  ///
  /// @par Errors
  /// @li `std::logic_error` on the scope of a block, which is joined by leaving it.
  ///
  /// @par Object Lifetimes
  /// The scope may be destroyed while the wait goes on.
  template <typename CompletionToken = detail::default_token_t<Executor>>
  auto async_join(CompletionToken&& token = CompletionToken()) {
    return asio::async_initiate<CompletionToken, void(std::exception_ptr)>(
        detail::initiate_scope_join<Executor>(state_), token);
  }

 private:
  friend detail::access;

  using state_type = detail::scope_state<Executor>;

  explicit cancel_scope(std::shared_ptr<state_type> state) noexcept : state_(std::move(state)) {}

  template <typename C>
  auto make_record(C c) const {
    return detail::make_record<detail::child_record<Executor, C>>(
        state_, state_->place(std::nullopt), std::move(c));
  }

  template <typename C>
  auto make_record(std::optional<Executor> where, detail::child_settings settings, C c) const {
    return detail::make_record_with<detail::child_record<Executor, C>>(
        state_, state_->place(std::move(where)), std::move(settings), std::move(c));
  }

  template <typename C>
  auto spawn_record(detail::reference<detail::child_record<Executor, C>> record) {
    state_->spawn(*record);
    return detail::access::make<child<detail::child_value_t<C>, Executor>>(std::move(record));
  }

  template <typename C>
  auto try_spawn_record(detail::reference<detail::child_record<Executor, C>> record) {
    using handle = child<detail::child_value_t<C>, Executor>;
    return state_->try_spawn(*record)
               ? std::optional(detail::access::make<handle>(std::move(record)))
               : std::nullopt;
  }

  // `CompletionToken` as Asio's initiating functions have it: a reference for an lvalue, of which a
  // copy is taken.
  template <typename CompletionToken, typename C>
  auto spawn_when_room(detail::child_settings settings, std::optional<Executor> where, C&& c,
                       std::remove_reference_t<CompletionToken>& token) {
    static_assert(detail::safe_in_co_await<C>, ASIO_CANCEL_SCOPE_NAME_IT_FIRST);
    using handle = child<detail::child_value_t<std::decay_t<C>>, Executor>;
    return asio::async_initiate<CompletionToken, void(std::exception_ptr, handle)>(
        detail::initiate_spawn_when_room<Executor, handle>(state_, state_->place(std::move(where)),
                                                           std::move(settings)),
        token, std::decay_t<C>(std::forward<C>(c)));
  }

  template <typename V, typename CompletionToken, typename F>
  auto start_with(detail::child_settings settings, std::optional<Executor> where, F&& f,
                  std::remove_reference_t<CompletionToken>& token) {
    static_assert(detail::safe_in_co_await<F>, ASIO_CANCEL_SCOPE_NAME_IT_FIRST);
    using callable = std::decay_t<F>;
    static_assert(detail::awaitable<typename detail::awaitable_of<callable, ready_signal<V>>::type>,
                  "asio_cancel_scope: async_start takes a callable that takes a ready_signal and "
                  "returns an awaitable");
    return asio::async_initiate<CompletionToken, typename detail::completion_signature<V>::type>(
        detail::initiate_start<Executor, ready_signal<V>, V>(
            state_, state_->place(std::move(where)), std::move(settings)),
        token, callable(std::forward<F>(f)));
  }

  template <typename CompletionToken, typename C>
  auto spawn_to(detail::child_settings settings, std::optional<Executor> where, C c,
                std::remove_reference_t<CompletionToken>& token) {
    using signature = typename detail::completion_signature<detail::child_value_t<C>>::type;
    detail::initiating_call const call;
    return asio::async_initiate<CompletionToken, signature>(
        detail::initiate_spawn<Executor>(state_, state_->place(std::move(where)),
                                         std::move(settings), call),
        token, std::move(c));
  }

  std::shared_ptr<state_type> const state_;  // never null
};

/// A scope that is made of a context has an `any_io_executor`.
template <typename ExecutionContext>
  requires detail::execution_context<ExecutionContext>
explicit cancel_scope(ExecutionContext&)->cancel_scope<asio::any_io_executor>;

/// The same with options.
template <typename ExecutionContext>
  requires detail::execution_context<ExecutionContext>
explicit cancel_scope(ExecutionContext&, scope_options)->cancel_scope<asio::any_io_executor>;

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND
