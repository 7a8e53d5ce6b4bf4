// SPDX-License-Identifier: MIT
//
// The pointer that counts in the object.

#include "support/catch.hpp"

#include <asio_cancel_scope/detail/reference.hpp>

#include <utility>

namespace {

struct counted {
  void add_reference() noexcept { ++references; }
  void drop_reference() noexcept { --references; }
  int references = 1;  // its maker's
};

struct derived : counted {};

using asio_cancel_scope::detail::reference;

}  // namespace

TEST_CASE("reference: counts what is copied, and not what is moved", "[reference]") {
  counted object;
  {
    auto const first = reference<counted>::adopt(object);
    CHECK(object.references == 1);
    auto second = first;
    CHECK(object.references == 2);
    auto const third = std::move(second);
    CHECK(object.references == 2);
    CHECK(!second);
    CHECK(third.get() == &object);
    reference<counted> const fourth(object);
    CHECK(object.references == 3);
  }
  CHECK(object.references == 0);
}

TEST_CASE("reference: drops what it had when it gets something else", "[reference]") {
  counted one, other;
  auto a = reference<counted>::adopt(one);
  auto b = reference<counted>::adopt(other);
  a = b;
  CHECK(one.references == 0);
  CHECK(other.references == 2);
  a = std::move(b);
  CHECK(other.references == 1);
  a.reset();
  CHECK(other.references == 0);
  a.reset();
  CHECK(other.references == 0);
}

TEST_CASE("reference: of a derived class becomes one of its base", "[reference]") {
  derived object;
  auto made = reference<derived>::adopt(object);
  reference<counted> const copied = made;
  CHECK(object.references == 2);
  reference<counted> moved = std::move(made);
  CHECK(object.references == 2);
  CHECK(moved.detach() == &object);
  CHECK(object.references == 2);
  object.drop_reference();
}
