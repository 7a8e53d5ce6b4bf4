// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/errors.hpp>
#include <asio_cancel_scope/detail/list.hpp>
#include <asio_cancel_scope/detail/reference.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/detail/slot_link.hpp>
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

/// How a request reaches a child: at once where the caller is on the child's executor already, or
/// always from a handler of its own.
enum class telling { at_once, by_posting };

template <typename Executor>
class record;

template <typename Executor>
struct source_traits<record<Executor>> {
  using pointer = reference<record<Executor>>;
  using waiter_part = slot_anchor<Executor>;
};

/// What a scope knows of one child, or of its body. The protocol is told in scope_state.hpp.
template <typename Executor>
class record : public list_hook {
 public:
  using executor_type = Executor;

  enum class role : std::uint8_t { body, child, operation };

  record(std::shared_ptr<scope_state<Executor>> owner, role r) noexcept
      : scope(std::move(owner)), kind(r) {}
  virtual ~record() = default;

  /// Gives the first reference to a new `Made`. A derived class may have its own, that its memory
  /// comes from elsewhere.
  template <typename Made, typename... Args>
  [[nodiscard]] static reference<Made> make(Args&&... args) {
    return reference<Made>::adopt(*new Made(std::forward<Args>(args)...));
  }

  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept {
    // The only one there is cannot become more meanwhile.
    if (references_.load(std::memory_order_acquire) == 1 ||
        references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      unreferenced();
  }

  /// The last reference has gone.
  virtual void unreferenced() noexcept { delete this; }

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
  virtual void have_told(reference<record> me, telling how);

  // The scope's own reference to a child: while it waits for room, is live, or has been refused and
  // its token is still to be told. Under the scope's mutex.
  void keep() noexcept {
    kept_ = true;
    // As a rule the caller's reference is the only one, and nobody else can count: slots find the
    // child under the mutex. The acquire pairs with the release of references that have gone.
    if (references_.load(std::memory_order_acquire) == 1)
      references_.store(2, std::memory_order_relaxed);
    else
      add_reference();
  }
  [[nodiscard]] reference<record> let_go() noexcept {
    return std::exchange(kept_, false) ? reference<record>::adopt(*this) : nullptr;
  }
  [[nodiscard]] bool is_kept() const noexcept { return kept_; }
  [[nodiscard]] reference<record> if_kept() noexcept {
    return kept_ ? reference<record>(*this) : nullptr;
  }

  /// Where the child runs.
  [[nodiscard]] virtual Executor const& get_executor() const noexcept {
    return scope->get_executor();
  }

  [[nodiscard]] virtual std::string const& name() const noexcept {
    static std::string const none;
    return none;
  }

  [[nodiscard]] bool is_body() const noexcept { return kind == role::body; }
  [[nodiscard]] bool runs_elsewhere() const noexcept {
    return has_executor || kind == role::operation;
  }

  /// What the child ended with: null for a value. Valid when `done`.
  [[nodiscard]] std::exception_ptr failure() const {
    return ending == end::cut_before_start || ending == end::lost ? aborted() : error;
  }

  /// Throws what the child ended with, if that is not a value. Valid when `done`.
  void throw_failure() const;

  [[nodiscard]] bool has_ended() const noexcept { return ending != end::none; }

  /// Whether it has retired, from any thread: what it did happens before.
  [[nodiscard]] bool is_done() const noexcept { return done.load(std::memory_order_acquire); }

  /// Whether nobody but the scope knows of it: no handle, no join.
  [[nodiscard]] bool is_unseen() const noexcept;

  /// Asks this child alone to end.
  void request(asio::cancellation_type mask);

  enum class end : std::uint8_t {
    none,              ///< it has not ended
    returned,          ///< with its value
    failed,            ///< with `error`
    cut,               ///< with `error`, a cancellation error after it had been told
    cut_before_start,  ///< it never started
    lost,              ///< its frame was destroyed, with its context or by whom it waited for
  };

  // There may be a million of these: what is rare is kept elsewhere, and small things together. The
  // record of a child without captures takes 120 bytes at most, for which malloc is quick.

  // The scope is alive as long as the record, which shares it; an embedded one is a part of it, and
  // shares it while somebody refers to the record. Changes only when nobody does.
  std::shared_ptr<scope_state<Executor>> scope;

  // Under the scope's mutex.
  record* next_to_start = nullptr;   // in the queue of those that wait for their start
  short_list<waiter<record>> joins;  // empty once `done`

  // The outcome. Valid when `done`.
  std::exception_ptr error;

 private:
  // Who refers to the record: its maker first. Whoever finds the last reference in its hands ends
  // it; the release of each that goes pairs with the acquire of the last.
  std::atomic<std::uint32_t> references_{1};
  bool kept_ = false;  // the scope has one of them; under its mutex

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
  bool has_executor : 1 = false;   // of its own
  bool graceful : 1 = false;       // accepts total cancellation
  bool service : 1 = false;        // does not keep the scope open
  bool is_for_handle : 1 = false;  // its value goes to who has a handle, and else to nobody

  // Under the scope's mutex.
  bool enrolled = false;         // it counts; false for one that waits for room, or was refused
  bool past_telling = false;     // its coroutine has ended, and its token is still to be told
  bool tells_admission = false;  // the starter's join is completed when it is let in

  // Set, with everything that is the outcome, when the child has retired; never cleared. The
  // release pairs with the acquire of who looks.
  std::atomic<bool> done{false};

  // It can be told. Set on the child's executor when its code is entered; for an operation, which
  // may be started elsewhere, under the mutex, when that is over. The release lets the executor see
  // the operation's use of the signal.
  std::atomic<bool> started{false};
};

/// A record with room for an executor of its own.
template <typename Record>
class placed : public Record {
  using executor_type = typename Record::executor_type;

 public:
  template <typename... Args>
  explicit placed(std::optional<executor_type> ex, Args&&... args)
      : Record(std::forward<Args>(args)...), executor_(std::move(ex)) {
    this->has_executor = executor_.has_value();
  }

  [[nodiscard]] executor_type const& get_executor() const noexcept final {
    return executor_ ? *executor_ : Record::get_executor();
  }

 private:
  std::optional<executor_type> const executor_;
};

/// A record with room for a name, too.
template <typename Record>
class named final : public placed<Record> {
 public:
  template <typename... Args>
  explicit named(std::string name, Args&&... args)
      : placed<Record>(std::forward<Args>(args)...), name_(std::move(name)) {}

  [[nodiscard]] std::string const& name() const noexcept override { return name_; }

 private:
  std::string const name_;
};

/// A record that is a part of its scope's state, and keeps that while somebody refers to it.
template <typename Record>
class embedded final : public placed<Record> {
  using executor_type = typename Record::executor_type;
  using state_type = scope_state<executor_type>;

 public:
  template <typename... Args>
  explicit embedded(state_type& owner, Args&&... args)
      : placed<Record>(owner.place(std::nullopt), unowned(owner), std::forward<Args>(args)...) {}

  /// Gives the first reference. Once.
  [[nodiscard]] reference<record<executor_type>> share(std::shared_ptr<state_type> owner) noexcept {
    this->scope = std::move(owner);
    return reference<record<executor_type>>::adopt(*this);
  }

  void unreferenced() noexcept override {
    // If this ends the state, it ends this.
    auto const last = std::exchange(this->scope, unowned(*this->scope));
  }

 private:
  [[nodiscard]] static std::shared_ptr<state_type> unowned(state_type& owner) noexcept {
    return std::shared_ptr<state_type>(std::shared_ptr<void>(), &owner);
  }
};

/// Makes the record of a child that runs on `where`, or on the scope's executor.
template <typename Record, typename Executor, typename... Args>
[[nodiscard]] reference<Record> make_record(std::shared_ptr<scope_state<Executor>> const& owner,
                                            std::optional<Executor> const& where, Args&&... args) {
  if (where)
    return Record::template make<placed<Record>>(where, owner, std::forward<Args>(args)...);
  return Record::template make<Record>(owner, std::forward<Args>(args)...);
}

/// The same with all that its options say.
template <typename Record, typename Executor, typename... Args>
[[nodiscard]] reference<Record> make_record_with(
    std::shared_ptr<scope_state<Executor>> const& owner, std::optional<Executor> const& where,
    child_settings settings, Args&&... args) {
  reference<Record> made;
  if (settings.name.empty())
    made = make_record<Record>(owner, where, std::forward<Args>(args)...);
  else
    made = Record::template make<named<Record>>(std::move(settings.name), where, owner,
                                                std::forward<Args>(args)...);
  made->graceful = settings.graceful;
  made->service = settings.service;
  return made;
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
  record_type* last_ = nullptr;  // null if there is no first
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
