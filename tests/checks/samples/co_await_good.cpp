// SPDX-License-Identifier: MIT

// Only read by the check, never compiled: nothing may be found here.

namespace a::inline b::detail {

struct initiation {
  int x{0};
  std::vector<int> y = {1, 2};
  awaitable<void> run() const { co_await f(); }
};

enum class kind : unsigned { one, two };

// co_await f([x] {});
/* co_await f(
     [x] {}); */
char const* text = "co_await f([x] {})";
char const* raw = R"(co_await f(point{1, 2}))";

template <typename T>
  requires requires(T t) { t.f(); }
awaitable<void> named(T t) {
  auto callable = [x, y = std::move(z)]() -> awaitable<void> {
    co_await g();
    co_return;
  };
  co_await f(callable);
  co_await f(std::move(callable));
  scope.spawn([&]() -> awaitable<void> { co_await g(); });
  scope.spawn([x]() -> awaitable<int> {
    auto v = co_await g();
    if (v) {
      co_return v;
    }
    int a[3] = {1, 2, 3};
    a[0] = co_await h(a[1], a[a[2]]);
    co_return a[0];
  });
  point p{1, 2};
  co_await f(p);
  point q{co_await f()};
  std::vector<int> many{co_await f(), co_await f()};
  auto [first, second] = co_await f();
  auto const& [third, fourth] = co_await f();
  co_await f(T(), std::string("[x] {}"), '[', "{");
  if (co_await f()) {
    auto l = [] {};
    l();
  } else if (co_await g()) {
    point r = {1, 2};
  }
  for (auto x : {1, 2, 3}) {
    co_await f(x);
  }
  for (;;) {
    co_await f();
  }
  switch (co_await f()) {
    case 1: {
      auto m = point{1, 2};
      break;
    }
    default:
      co_await g();
  }
  [[maybe_unused]] auto n = co_await f();
  try {
    co_await f();
  } catch (std::exception const&) {
    auto e = [] {};
  }
  std::array<int, 2> arr{{1, 2}};
  co_await (arr[0] > 1 ? f() : g());
  do {
    co_await f();
  } while (co_await g());
  auto const result = co_await asio::async_initiate<Token, void(error_code)>(initiate, token);
  std::sort(v.begin(), v.end(), [](auto a, auto b) { return a < b; });
  co_return co_await f();
}

auto later() -> awaitable<std::vector<int>> {
  co_await f();
  co_return std::vector<int>{1, 2};
}

auto constrained = []<typename T>(T t) noexcept -> awaitable<void> { co_await t.f(); };

#define NAMED(x) co_await f(x)

}  // namespace a::inline b::detail
