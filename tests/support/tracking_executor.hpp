// SPDX-License-Identifier: MIT
#pragma once

#include "support/asio.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

namespace support {

inline std::vector<int>& executors_of_this_thread() {
  thread_local std::vector<int> ids;
  return ids;
}

class running_mark {
 public:
  explicit running_mark(int id) { executors_of_this_thread().push_back(id); }
  running_mark(running_mark const&) = delete;
  running_mark& operator=(running_mark const&) = delete;
  ~running_mark() { executors_of_this_thread().pop_back(); }
};

}  // namespace support

/// Whether the calling code was started by a tracking executor of this id.
inline bool running_on(int id) {
  auto const& ids = support::executors_of_this_thread();
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// An executor that passes everything on to another one and can be asked for with `running_on`.
/// It fits in any_io_executor and may be associated with a handler.
template <typename Inner = asio::any_io_executor>
class tracking_executor {
 public:
  tracking_executor(int id, Inner inner) noexcept : id_(id), inner_(std::move(inner)) {}

  int id() const noexcept { return id_; }

  template <typename Property>
    requires(asio::can_query<Inner const&, Property>::value)
  decltype(auto) query(Property const& property) const { return asio::query(inner_, property); }

  template <typename Property>
    requires(asio::can_require<Inner const&, Property>::value)
  auto require(Property const& property) const { return wrap(asio::require(inner_, property)); }

  template <typename Property>
    requires(asio::can_prefer<Inner const&, Property>::value)
  auto prefer(Property const& property) const { return wrap(asio::prefer(inner_, property)); }

  template <typename Function>
  void execute(Function&& function) const {
    auto marked = [id = id_,
                   f = std::decay_t<Function>(std::forward<Function>(function))]() mutable {
      support::running_mark const mark(id);
      std::move(f)();
    };
#if ACS_TEST_ASIO_VERSION < 102600
    // The member functions of Asio's own executors were private.
    asio::execution::execute(inner_, std::move(marked));
#else
    inner_.execute(std::move(marked));
#endif
  }

  friend bool operator==(tracking_executor const& a, tracking_executor const& b) noexcept {
    return a.id_ == b.id_ && a.inner_ == b.inner_;
  }

 private:
  template <typename Other>
  tracking_executor<Other> wrap(Other other) const noexcept {
    return tracking_executor<Other>(id_, std::move(other));
  }

  int id_;
  Inner inner_;
};
