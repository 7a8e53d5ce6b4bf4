// SPDX-License-Identifier: MIT
//
// The list in one word.

#include "support/catch.hpp"

#include <asio_cancel_scope/detail/list.hpp>

#include <vector>

namespace {

struct element : asio_cancel_scope::detail::list_hook {
  explicit element(int i) : number(i) {}
  int number;
};

using short_list = asio_cancel_scope::detail::short_list<element>;

std::vector<int> numbers(short_list& list) {
  std::vector<int> all;
  list.for_each([&](element const& e) { all.push_back(e.number); });
  return all;
}

}  // namespace

TEST_CASE("short_list: elements leave at the front in the order in which they came", "[list]") {
  element a(1), b(2), c(3);
  short_list list;
  CHECK(list.empty());
  CHECK(list.pop_front() == nullptr);
  for (auto* e : {&a, &b, &c}) list.push_back(*e);
  CHECK(numbers(list) == std::vector{1, 2, 3});
  CHECK(list.pop_front() == &a);
  CHECK(list.pop_front() == &b);
  CHECK(list.pop_front() == &c);
  CHECK(list.empty());
  CHECK(list.pop_front() == nullptr);
}

TEST_CASE("short_list: any element can be removed, also one that is in no list", "[list]") {
  element a(1), b(2), c(3), outside(4);
  short_list list;
  list.remove(outside);
  for (auto* e : {&a, &b, &c}) list.push_back(*e);
  list.remove(outside);
  list.remove(b);
  CHECK(numbers(list) == std::vector{1, 3});
  list.remove(a);
  CHECK(numbers(list) == std::vector{3});
  list.push_back(a);
  list.remove(c);
  CHECK(numbers(list) == std::vector{1});
  list.remove(a);
  CHECK(list.empty());
  list.push_back(b);
  CHECK(numbers(list) == std::vector{2});
}

TEST_CASE("short_list: an element is found by what it is, and a whole list is taken", "[list]") {
  element a(1), b(2);
  short_list list, other;
  list.push_back(a);
  list.push_back(b);
  other.take(list);
  CHECK(list.empty());
  CHECK(other.find_if([](element const& e) { return e.number == 2; }) == &b);
  CHECK(other.find_if([](element const& e) { return e.number == 3; }) == nullptr);
}
