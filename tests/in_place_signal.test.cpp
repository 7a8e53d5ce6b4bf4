// SPDX-License-Identifier: MIT
//
// The signal of a coroutine, which keeps its handler in place.

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/tracked.hpp"

#include <asio_cancel_scope/cancel_scope.hpp>

#include <array>
#include <cstddef>

using asio_cancel_scope::detail::in_place_signal;

namespace {

template <std::size_t Size>
class note {
 public:
  explicit note(asio::cancellation_type& seen) noexcept : seen_(&seen) {}
  void operator()(asio::cancellation_type type) const { *seen_ = type; }

 private:
  asio::cancellation_type* seen_;
  tracked life_;
  std::array<std::byte, Size> rest_{};
};

template <typename Note>
void keeps_one() {
  auto seen = asio::cancellation_type::none;
  {
    in_place_signal signal;
    auto slot = signal.slot();
    CHECK(slot.is_connected());
    CHECK_FALSE(slot.has_handler());
    signal.emit(asio::cancellation_type::terminal);
    CHECK(seen == asio::cancellation_type::none);

    slot.template emplace<Note>(seen);
    CHECK(slot.has_handler());
    CHECK(tracked::alive() == 1);
    signal.emit(asio::cancellation_type::partial);
    CHECK(seen == asio::cancellation_type::partial);

    slot.assign(Note(seen));
    CHECK(tracked::alive() == 1);
    slot.clear();
    CHECK(tracked::alive() == 0);
    CHECK_FALSE(signal.slot().has_handler());

    slot.template emplace<Note>(seen);
  }
  CHECK(tracked::alive() == 0);
}

}  // namespace

TEST_CASE("conventions: a slot of ours keeps one handler in place", "[signal]") {
  keeps_one<note<1>>();
}

TEST_CASE("conventions: a slot of ours keeps one handler that is too large for its place",
          "[signal]") {
  keeps_one<note<1000>>();
}

TEST_CASE("conventions: two slots of ours are equal if they are of one signal", "[signal]") {
  in_place_signal one;
  in_place_signal other;
  CHECK(one.slot() == one.slot());
  CHECK(one.slot() != other.slot());
  CHECK_FALSE(in_place_signal::slot_type().is_connected());
}
