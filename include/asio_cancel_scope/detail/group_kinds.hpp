// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/awaitable_traits.hpp>
#include <asio_cancel_scope/detail/group.hpp>

#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

// What `gather` and `race` give when the block of their group has been left.

template <typename Executor, typename... Cs>
struct gather_list : group_kind<fixed_group<wants::all, Executor, Cs...>> {
  using state_type = fixed_group<wants::all, Executor, Cs...>;
  static constexpr bool is_void = (std::is_void_v<child_value_t<Cs>> && ...);
  using result_type =
      std::conditional_t<is_void, void, std::tuple<regular_t<child_value_t<Cs>>...>>;
  using awaitable_type = asio::awaitable<result_type, Executor>;

  static result_type leave(state_type& state, typename state_type::leaving const&) {
    if constexpr (!is_void) return values(state, std::index_sequence_for<Cs...>());
  }

 private:
  template <std::size_t... Indices>
  static result_type values(state_type& state, std::index_sequence<Indices...>) {
    return result_type(*state.template member<Indices>().take_value()...);
  }
};

template <typename Executor, typename C>
struct gather_range : group_kind<ranged_group<wants::all, Executor, C>> {
  using state_type = ranged_group<wants::all, Executor, C>;
  using value_type = child_value_t<C>;
  static constexpr bool is_void = std::is_void_v<value_type>;
  using result_type = std::conditional_t<is_void, void, std::vector<regular_t<value_type>>>;
  using awaitable_type = asio::awaitable<result_type, Executor>;

  static result_type leave(state_type& state, typename state_type::leaving const&) {
    if constexpr (!is_void) {
      result_type values;
      values.reserve(state.members().size());
      for (auto& member : state.members()) values.push_back(*member->take_value());
      return values;
    }
  }
};

template <typename Executor, typename... Cs>
struct race_list : group_kind<fixed_group<wants::first, Executor, Cs...>> {
  using state_type = fixed_group<wants::first, Executor, Cs...>;
  using result_type = std::variant<regular_t<child_value_t<Cs>>...>;
  using awaitable_type = asio::awaitable<result_type, Executor>;

  static result_type leave(state_type& state, typename state_type::leaving const&) {
    return value_of_winner(state, std::index_sequence_for<Cs...>());
  }

 private:
  template <std::size_t... Indices>
  static result_type value_of_winner(state_type& state, std::index_sequence<Indices...>) {
    std::optional<result_type> value;
    (take_from<Indices>(state, value), ...);
    return *std::move(value);
  }

  template <std::size_t Index>
  static void take_from(state_type& state, std::optional<result_type>& value) {
    if (state.winner() == Index)
      value.emplace(std::in_place_index<Index>, *state.template member<Index>().take_value());
  }
};

template <typename Executor, typename C, template <typename> typename Result>
struct race_range : group_kind<ranged_group<wants::first, Executor, C>> {
  using state_type = ranged_group<wants::first, Executor, C>;
  using result_type = Result<child_value_t<C>>;
  using awaitable_type = asio::awaitable<result_type, Executor>;

  static result_type leave(state_type& state, typename state_type::leaving const&) {
    auto const winner = state.winner();
    if (winner == state_type::nobody) return {};
    return access::make<result_type>(winner, *state.members()[winner]->take_value());
  }
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
