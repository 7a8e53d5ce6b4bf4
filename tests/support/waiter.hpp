// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

// What a hand-made operation needs to be as well behaved as one of Asio's own.
//
// A stored handler keeps the frame of the coroutine that waits, and that frame often keeps the
// object in which the handler is stored: a cycle, which only the death of the context may break.
// So every pending operation is also known to a service of its context, which destroys the
// handler, uncalled, while the context can still take what the destruction of frames posts to it.

namespace support {

/// A pending operation. Ends once: completed by its event, completed by its cancellation, or
/// dropped by its context. Who claims it first decides.
class waiter : public std::enable_shared_from_this<waiter> {
 public:
  waiter() = default;
  waiter(waiter const&) = delete;
  waiter& operator=(waiter const&) = delete;
  virtual ~waiter() = default;

  bool claim() noexcept { return !claimed_.exchange(true); }

  virtual void post_completion(error_code ec) = 0;
  virtual void complete_inline(error_code ec) = 0;
  virtual void drop() noexcept = 0;

  // Where the event keeps it, for removal in constant time. The event's, under its mutex.
  std::list<std::weak_ptr<waiter>>::iterator place_in_event;
  bool is_in_event = false;

 private:
  friend class waiter_service;

  std::atomic<bool> claimed_{false};
  // Valid while `registered_`; both under the service's mutex.
  std::list<std::shared_ptr<waiter>>::iterator place_;
  bool registered_ = false;
};

class waiter_service : public asio::execution_context::service {
 public:
  using key_type = waiter_service;
  static inline asio::execution_context::id id;

  explicit waiter_service(asio::execution_context& ctx) : service(ctx) {}

  void add(std::shared_ptr<waiter> const& w) {
    std::lock_guard lock(mutex_);
    w->place_ = all_.insert(all_.end(), w);
    w->registered_ = true;
  }

  void remove(waiter& w) noexcept {
    std::shared_ptr<waiter> last;
    std::lock_guard lock(mutex_);
    if (w.registered_) {
      w.registered_ = false;
      last = std::move(*w.place_);
      all_.erase(w.place_);
    }
  }

 private:
  void shutdown() noexcept override {
    // One at a time: dropping a handler may complete or cancel other operations of this list.
    while (auto w = take_first()) {
      if (w->claim()) {
        w->drop();
      }
    }
  }

  std::shared_ptr<waiter> take_first() noexcept {
    std::lock_guard lock(mutex_);
    if (all_.empty()) {
      return nullptr;
    }
    auto w = std::move(all_.front());
    all_.pop_front();
    w->registered_ = false;
    return w;
  }

  std::mutex mutex_;
  std::list<std::shared_ptr<waiter>> all_;
};

template <typename Handler, typename Executor>
class stored_handler : public waiter {
 public:
  using executor_type = asio::associated_executor_t<Handler, Executor>;

  stored_handler(Handler handler, Executor const& fallback)
      : executor_(asio::get_associated_executor(handler, fallback)),
        slot_(asio::get_associated_cancellation_slot(handler)) {
    if constexpr (std::is_same_v<executor_type, asio::any_io_executor>) {
      if (!executor_) {
        throw std::logic_error(
            "the handler has no associated executor: bind one, or give the event an executor");
      }
    }
    work_.emplace(executor_);
    service_ = &asio::use_service<waiter_service>(asio::query(executor_, asio::execution::context));
    handler_.emplace(std::move(handler));
  }

  auto slot() const noexcept { return slot_; }
  waiter_service& service() const noexcept { return *service_; }

  void post_completion(error_code ec) override {
    auto self = std::static_pointer_cast<stored_handler>(shared_from_this());
    service_->remove(*this);
    asio::post(executor_, [self = std::move(self), ec] {
      // On the handler's executor, where alone its slot may be touched.
      if (self->slot_.is_connected()) {
        self->slot_.clear();
      }
      self->call(ec);
    });
  }

  void complete_inline(error_code ec) override {
    service_->remove(*this);
    call(ec);
  }

  void drop() noexcept override {
    // The handler goes first: what its destruction posts must find the context at work.
    auto work = std::exchange(work_, std::nullopt);
    auto handler = std::exchange(handler_, std::nullopt);
    handler.reset();
  }

 private:
  void call(error_code ec) {
    auto const work = std::exchange(work_, std::nullopt);
    Handler handler(std::move(*handler_));
    handler_.reset();
    std::move(handler)(ec);
  }

  executor_type executor_;
  asio::associated_cancellation_slot_t<Handler> slot_;
  std::optional<asio::executor_work_guard<executor_type>> work_;
  waiter_service* service_ = nullptr;
  std::optional<Handler> handler_;
};

/// The handler, stored and known to its context, but not yet to its event.
template <typename Handler, typename Executor>
auto store_handler(Handler&& handler, Executor const& fallback) {
  using stored = stored_handler<std::decay_t<Handler>, Executor>;
  auto w = std::make_shared<stored>(std::forward<Handler>(handler), fallback);
  w->service().add(w);
  return w;
}

}  // namespace support
