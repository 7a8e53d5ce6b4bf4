// SPDX-License-Identifier: MIT
#pragma once

#include <asio_cancel_scope/detail/access.hpp>
#include <asio_cancel_scope/detail/asio.hpp>
#include <asio_cancel_scope/detail/cancellation_type.hpp>
#include <asio_cancel_scope/detail/child_initiation.hpp>
#include <asio_cancel_scope/detail/child_record.hpp>
#include <asio_cancel_scope/detail/outcome_record.hpp>
#include <asio_cancel_scope/detail/record.hpp>
#include <asio_cancel_scope/detail/scope_state.hpp>
#include <asio_cancel_scope/detail/settings.hpp>
#include <asio_cancel_scope/detail/slot_link.hpp>
#include <asio_cancel_scope/detail/waiter.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail {

/// What the slot of a handler does that waits for its child to be let in, or to be ready: while the
/// child waits for room it is forgotten; after that `Then` decides.
template <typename Executor, typename Then>
class end_admission {
 public:
  end_admission(record<Executor>& child, waiter<record<Executor>>& join) noexcept
      : link_(join, child, &join) {}

  void operator()(asio::cancellation_type type) const {
    if (strongest(type) == asio::cancellation_type::none) return;
    auto const scope = link_.scope();
    if (!scope) return;
    auto const child = scope->child_of(link_);
    if (child && !scope->end_wait_for_room(*child)) Then()(*child, type);
  }

 private:
  slot_link<Executor> link_;
};

/// Stores `handler` as the join of the starter of `child`, and spawns the child when there is room.
/// Whatever fails, the handler is told, by posting.
template <typename Deliver, typename Then, typename Executor, typename Handler>
void store_and_spawn(reference<record<Executor>> const& child, Handler&& handler) {
  auto* const join =
      store<record<Executor>, Deliver>(std::forward<Handler>(handler), child->get_executor());
  try {
    auto slot = asio::get_associated_cancellation_slot(join->handler());
    if (slot.is_connected()) slot.template emplace<end_admission<Executor, Then>>(*child, *join);
    child->joins.push_back(*join);
    child->scope->spawn_when_room(*child);
  } catch (...) {
    child->scope->forget(*child, *join);
    join->failure = std::current_exception();
    child->release();
    join->complete(child);
  }
}

/// Spawns a child when there is room and gives its handle.
template <typename Executor, typename Child>
class initiate_spawn_when_room : public child_initiation<Executor> {
 public:
  initiate_spawn_when_room(std::shared_ptr<scope_state<Executor>> scope, std::optional<Executor> ex,
                           child_settings settings)
      : child_initiation<Executor>(std::move(scope), std::move(ex), std::move(settings)) {}

  template <typename Handler, typename C>
  void operator()(Handler&& handler, C&& c) const {
    auto const child =
        this->template make_record<child_record<Executor, std::decay_t<C>>>(std::forward<C>(c));
    child->tells_admission = true;
    store_and_spawn<deliver_handle, nothing, Executor>(child, std::forward<Handler>(handler));
  }

 private:
  struct deliver_handle {
    template <typename Handler>
    static void deliver(reference<record<Executor>> child, std::exception_ptr failure,
                        Handler& handler) {
      using record_type = outcome_record<Executor, typename Child::value_type>;
      auto handle = access::make<Child>(
          failure ? reference<record_type>()
                  : reference<record_type>::adopt(static_cast<record_type&>(*child.detach())));
      child.reset();
      std::move(handler)(std::move(failure), std::move(handle));
    }
  };

  /// A child that has been let in is in the handle's hands.
  struct nothing {
    void operator()(record<Executor>&, asio::cancellation_type) const noexcept {}
  };
};

}  // namespace asio_cancel_scope::inline ASIO_CANCEL_SCOPE_BACKEND::detail
