// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/list.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

template <typename Executor>
class scope_state;

/// The error of what was cancelled; that there is no memory, if there is none for it.
[[nodiscard]] inline std::exception_ptr aborted() noexcept {
  try {
    return std::make_exception_ptr(system_error(asio::error::operation_aborted));
  } catch (...) {
    return std::current_exception();
  }
}

/// How a request reaches a child: at once where the caller is on the child's executor already, or
/// always from a handler of its own.
enum class telling { at_once, by_posting };

/// What a scope knows of one child, or of its body. The protocol is told in scope_state.hpp.
template <typename Executor>
class record : public list_hook {
 public:
  using executor_type = Executor;

  enum class role : std::uint8_t { body, child, operation };

  /// `ex`, if not null, is an executor of the child's own, which lives as long as the record.
  record(scope_state<Executor>& owner, role r, Executor const* ex) noexcept
      : scope(owner), elsewhere(ex), kind(r) {}
  virtual ~record() = default;

  /// Gives the coroutine to co_spawn. On the child's executor.
  virtual void launch() = 0;

  /// Sends it a request. On the child's executor.
  virtual void emit(asio::cancellation_type type) = 0;

  /// Destroys the callable with its captures, or the awaitable that was never awaited.
  virtual void release() noexcept = 0;

  /// Whether the outcome belongs to somebody else than the scope: an error then fails nothing.
  /// Asked once, when the child has ended.
  [[nodiscard]] virtual bool claims_outcome() noexcept { return false; }

  /// A token child posts its outcome to its token, retires after that, and answers true.
  virtual bool hand_out() noexcept { return false; }

  /// Has the child, which is `me`, told of what is wanted of it, on its executor.
  virtual void have_told(std::shared_ptr<record> me, telling how);

  /// Before the record is enrolled.
  void apply(child_settings settings) {
    if (!settings.name.empty()) name_ = std::make_unique<std::string>(std::move(settings.name));
    graceful = settings.graceful;
    service = settings.service;
  }

  [[nodiscard]] std::string const& name() const noexcept {
    static std::string const none;
    return name_ ? *name_ : none;
  }

  [[nodiscard]] bool is_body() const noexcept { return kind == role::body; }
  [[nodiscard]] bool runs_elsewhere() const noexcept {
    return elsewhere || kind == role::operation;
  }
  [[nodiscard]] Executor const& get_executor() const noexcept {
    return elsewhere ? *elsewhere : scope.get_executor();
  }

  /// What the child ended with: null for a value. Valid when `done`.
  [[nodiscard]] std::exception_ptr failure() const {
    return ending == end::cut_before_start || ending == end::lost ? aborted() : error;
  }

  /// Throws what the child ended with, if that is not a value. Valid when `done`.
  void throw_failure() const;

  [[nodiscard]] bool has_ended() const noexcept { return ending != end::none; }

  enum class end : std::uint8_t {
    none,              ///< it has not ended
    returned,          ///< with its value
    failed,            ///< with `error`
    cut,               ///< with `error`, a cancellation error after it had been told
    cut_before_start,  ///< it never started
    lost,              ///< its frame was destroyed, with its context or by whom it waited for
  };

  // There may be a million of these: what is rare is kept elsewhere, and small things together.

  // Constant. The scope is alive as long as the record: a child's record shares it, the body's
  // record is part of it.
  scope_state<Executor>& scope;
  Executor const* const elsewhere;  // null: runs on the scope's executor

  // Under the scope's mutex.
  std::shared_ptr<record> self;     // what keeps a live child: set from enrolling to retiring
  record* next_to_start = nullptr;  // in the queue of those that wait for their start
  list<waiter<record>> joins;       // empty once `done`

  // The outcome. Valid when `done`.
  std::exception_ptr error;

 private:
  std::unique_ptr<std::string const> name_;  // set before the record is enrolled; null: none

 public:
  // The strongest type asked for through the handle or the token's slot. Written under the mutex,
  // only ever stronger; read without it where the child is started.
  std::atomic<small_type> asked{small_type()};

  // On the child's executor only.
  small_type sent;          // the strongest type emitted
  bool told_alone = false;  // nothing that has been sent was for the whole scope

  end ending = end::none;  // belongs to the outcome
  role const kind;

  // Set before the record is enrolled.
  bool graceful : 1 = false;  // accepts total cancellation
  bool service : 1 = false;   // does not keep the scope open

  // Under the scope's mutex.
  bool enrolled = false;         // it counts; false for one that the scope refused
  bool tells_admission = false;  // the join with id 0 is completed when the child is let in

  // Set, with everything that is the outcome, when the child has retired; never cleared. The
  // release pairs with the acquire of who looks.
  std::atomic<bool> done{false};

  // It can be told. Set on the child's executor when its code is entered; for an operation, which
  // may be started elsewhere, under the mutex, when that is over. The release lets the executor see
  // the operation's use of the signal.
  std::atomic<bool> started{false};
};

/// An executor of its own for a record. A base class of it that is made first.
template <typename Executor>
class own_executor {
 protected:
  explicit own_executor(std::optional<Executor> ex) : executor_(std::move(ex)) {}

  /// Null: the scope's.
  [[nodiscard]] Executor const* address() const noexcept {
    return executor_ ? &*executor_ : nullptr;
  }

 private:
  std::optional<Executor> const executor_;
};

/// A record with room for an executor of its own.
template <typename Record>
class placed final : private own_executor<typename Record::executor_type>, public Record {
  using place = own_executor<typename Record::executor_type>;

 public:
  template <typename Owner, typename... Args>
  placed(Owner& owner, std::optional<typename Record::executor_type> ex, Args&&... args)
      : place(std::move(ex)), Record(owner, place::address(), std::forward<Args>(args)...) {}
};

/// Makes the record of a child that runs on `where`, or on the scope's executor.
template <typename Record, typename Executor, typename... Args>
[[nodiscard]] std::shared_ptr<Record> make_record(
    std::shared_ptr<scope_state<Executor>> const& owner, std::optional<Executor> const& where,
    Args&&... args) {
  if (where) return std::make_shared<placed<Record>>(owner, where, std::forward<Args>(args)...);
  return std::make_shared<Record>(owner, nullptr, std::forward<Args>(args)...);
}

/// Records in the order in which they are to start. Owns nothing.
template <typename Executor>
class start_queue {
 public:
  using record_type = record<Executor>;

  start_queue() = default;
  start_queue(start_queue&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  start_queue& operator=(start_queue&&) = delete;

  [[nodiscard]] bool empty() const noexcept { return !first_; }

  void push_back(record_type& r) noexcept {
    (last_ ? last_->next_to_start : first_) = &r;
    last_ = &r;
  }

  [[nodiscard]] record_type* pop_front() noexcept {
    auto* const r = first_;
    if (!r) return nullptr;
    first_ = std::exchange(r->next_to_start, nullptr);
    if (!first_) last_ = nullptr;
    return r;
  }

  void remove(record_type& r) noexcept {
    start_queue others;
    while (auto* const front = pop_front())
      if (front != &r) others.push_back(*front);
    std::swap(first_, others.first_);
    std::swap(last_, others.last_);
  }

 private:
  record_type* first_ = nullptr;
  record_type* last_ = nullptr;
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
