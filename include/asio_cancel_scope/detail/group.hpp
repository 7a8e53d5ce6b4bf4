// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/block.hpp>
#include <asio_cancel_scope/detail/child_record.hpp>
#include <asio_cancel_scope/detail/co_await_temporaries.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/run_block.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/serial_executor.hpp>
#include <asio_cancel_scope/detail/settings.hpp>

#include <atomic>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// `race` and `gather` run blocks without a body: all children are there when the block starts, and
// their records are parts of its state.

/// When a group has what it wants.
enum class wants : bool { all, first };

template <typename Executor>
class group_state : public block_state<Executor> {
  static_assert(!parallel_executor<Executor>,
                "asio_cancel_scope: the executor of a thread_pool, and system_executor, run the "
                "handlers of a coroutine in parallel: use a strand, or any_io_executor");

 public:
  static constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

  group_state(Executor const& ex, scope_settings settings, wants what)
      : block_state<Executor>(ex, std::move(settings), scope_form::block), wants_(what) {}

  /// A member has returned, on its executor, and its value is there. Answers whether that is of
  /// any use.
  [[nodiscard]] bool note_success(std::size_t index) noexcept {
    if (wants_ == wants::all) return true;
    auto expected = nobody;
    if (!winner_.compare_exchange_strong(expected, index)) return false;
    this->request_surely(scope_state<Executor>::cause::requested);
    return true;
  }

  /// The first that returned. Valid when the block has been left.
  [[nodiscard]] std::size_t winner() const noexcept { return winner_; }

 private:
  wants const wants_;
  std::atomic<std::size_t> winner_{nobody};  // set once; members may run on strands of their own
};

template <typename Executor, typename C>
class member_record : public runnable_record<Executor, C> {
  using base = runnable_record<Executor, C>;

 public:
  member_record(std::shared_ptr<scope_state<Executor>> owner, group_state<Executor>& group,
                std::size_t index, C c)
      : base(std::move(owner), base::role::child, std::move(c)), group_(group), index_(index) {}

  [[nodiscard]] bool claims_outcome() noexcept override {
    if (this->ending == base::end::returned && !group_.note_success(index_)) drop_value();
    return false;
  }

  /// The value, if there is one; void has one too.
  [[nodiscard]] auto take_value() {
    if constexpr (std::is_void_v<typename base::value_type>)
      return this->take_if_returned() ? std::optional(std::monostate()) : std::nullopt;
    else
      return this->take_if_returned();
  }

 private:
  /// Here and now, as a frame is: others may keep the group for a moment after it has been left.
  void drop_value() noexcept {
    if constexpr (!std::is_void_v<typename base::value_type>) this->value.reset();
  }

  group_state<Executor>& group_;
  std::size_t const index_;
};

/// A value that can be stored where a void would stand.
template <typename T>
using regular_t = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// A group whose members are known where it is written.
template <wants What, typename Executor, typename... Cs>
class fixed_group final : public group_state<Executor> {
 public:
  using operands_type = std::tuple<Cs...>;

  fixed_group(Executor const& ex, scope_settings settings)
      : group_state<Executor>(ex, std::move(settings), What) {}

  template <typename Owner>
  void prepare(Owner&, operands_type operands) {
    emplace(operands, std::index_sequence_for<Cs...>());
  }

  template <std::size_t Index>
  [[nodiscard]] auto& member() noexcept {
    return *std::get<Index>(members_);
  }

 private:
  template <std::size_t... Indices>
  void emplace(operands_type& operands, std::index_sequence<Indices...>) {
    (std::get<Indices>(members_).emplace(*this, *this, Indices,
                                         std::move(std::get<Indices>(operands))),
     ...);
  }

  void start_all(typename scope_state<Executor>::join_waiter& join) override {
    auto const self = this->shared_from_this();
    auto const start = [&](auto&... members) {
      reference<record<Executor>> const all[] = {members->share(self)...};
      this->start_together(all, join);
    };
    std::apply(start, members_);
  }

  std::tuple<std::optional<embedded<member_record<Executor, Cs>>>...> members_;
};

/// A group whose members are the elements of a range.
template <wants What, typename Executor, typename C>
class ranged_group final : public group_state<Executor> {
 public:
  using operands_type = std::vector<C>;
  using member_type = embedded<member_record<Executor, C>>;

  ranged_group(Executor const& ex, scope_settings settings)
      : group_state<Executor>(ex, std::move(settings), What) {}

  template <typename Owner>
  void prepare(Owner&, operands_type operands) {
    size_ = operands.size();
    members_ = std::make_unique<std::optional<member_type>[]>(size_);
    to_start_.resize(size_);
    for (std::size_t i = 0; i != size_; ++i)
      members_[i].emplace(*this, *this, i, std::move(operands[i]));
  }

  [[nodiscard]] auto members() noexcept { return std::span(members_.get(), size_); }

 private:
  void start_all(typename scope_state<Executor>::join_waiter& join) override {
    auto const self = this->shared_from_this();
    auto all = std::move(to_start_);
    for (std::size_t i = 0; i != size_; ++i) all[i] = members_[i]->share(self);
    this->start_together(all, join);
  }

  std::size_t size_ = 0;
  std::unique_ptr<std::optional<member_type>[]> members_;
  // Room for what start_all needs, made in time: starting must not fail for lack of memory. Filled
  // there and not before: what owns the members would own itself.
  std::vector<reference<record<Executor>>> to_start_;
};

/// Asks what is left of a group to end when the frame that waits for it is destroyed.
template <typename State>
class group_owner {
 public:
  explicit group_owner(std::shared_ptr<State> group) noexcept : group_(std::move(group)) {}
  group_owner(group_owner const&) = delete;
  group_owner& operator=(group_owner const&) = delete;
  ~group_owner() { group_->abandon(); }

 private:
  std::shared_ptr<State> const group_;
};

/// The executor of what a group runs.
template <typename C>
using member_executor_t = typename awaitable_traits<typename awaitable_of<C>::type>::executor_type;

/// What the public functions need to know of what they are given.
template <typename X>
struct member {
  using type = std::decay_t<X>;
  static_assert(!awaitable<X> || !std::is_lvalue_reference_v<X>,
                "asio_cancel_scope: an awaitable is awaited once: move it in");
  static_assert(awaitable<typename awaitable_of<type>::type>,
                "asio_cancel_scope: race and gather take awaitables, and callables without "
                "parameters that return one");
};

template <typename X>
using member_t = typename member<X>::type;

/// The elements of `range`: moved out of one that is given away.
template <std::ranges::input_range Range>
[[nodiscard]] auto members_of(Range&& range) {
  static_assert(!std::is_aggregate_v<Range> || !temporaries_are_destroyed_twice ||
                    std::is_trivially_destructible_v<Range>,
                "asio_cancel_scope: GCC up to 12 destroys twice a temporary std::array inside a "
                "co_await expression: use a std::vector");
  using element = std::ranges::range_value_t<Range>;
  static_assert(!awaitable<element> ||
                    !std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>> ||
                    !(std::is_lvalue_reference_v<Range> || std::ranges::view<Range>),
                "asio_cancel_scope: an awaitable is awaited once: move the range in");
  std::vector<member_t<element>> members;
  if constexpr (std::ranges::sized_range<Range>) members.reserve(std::ranges::size(range));
  for (auto at = std::ranges::begin(range); at != std::ranges::end(range); ++at) {
    if constexpr (std::is_lvalue_reference_v<Range> || std::ranges::view<Range>)
      members.push_back(*at);
    else
      members.push_back(std::ranges::iter_move(at));
  }
  return members;
}

template <typename State>
struct group_kind {
  using state_type = State;
  using body_type = typename State::operands_type;
  using executor_type = typename State::executor_type;
  using scope_type = group_owner<State>;
  using leaving = typename State::leaving;

  static constexpr outer outer_requests = outer::forwarded;
};

template <typename Kind>
[[nodiscard]] typename Kind::awaitable_type run_group(typename Kind::body_type operands) {
  return run_block<Kind>(std::nullopt, std::move(operands));
}

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
