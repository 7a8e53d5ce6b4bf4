// SPDX-License-Identifier: MIT

// Only read by the check, never compiled: each line that must be found says so.

awaitable<void> lambdas() {
  co_await f([x] { return x; });  // bad
  co_await f([&] { return x; });  // bad
  co_await f([=]() mutable -> awaitable<void> { co_return; });  // bad
  co_await  // a comment between the two
      f(1, g(),
        [x, y = std::move(z)](auto& scope) -> awaitable<void> {  // bad
          co_await scope.h();
          int a[3] = {1, 2, 3};
          co_return;
        });
  auto v = co_await asio::co_spawn(ex, [&]() -> awaitable<int> { co_return 1; }, token);  // bad
  co_return co_await f([] {});  // bad
  if (co_await f([] { return true; })) {  // bad
    g();
  }
  while (co_await next([] {})) g();  // bad
  for (auto x = co_await f([] {}); x; --x) {  // bad
  }
  switch (co_await f([] { return 1; })) {  // bad
    case 1:
      co_await f([] {});  // bad
  }
  h([x] {}, co_await f());  // bad
  h(co_await f(), [x] {});  // bad
  x = [&] { return 1; }() + co_await f();  // bad
  (co_await f([] {})).g();  // bad
  co_await f(a[0], [] {});  // bad
  co_await f(a[b[0]], [] {});  // bad
  co_await f("// no comment", [] {});  // bad
  co_await f('"', [] {});  // bad
  co_await f(R"x( " ( )x", [] {});  // bad
  co_await f(1'000, [] {});  // bad
  co_await async_initiate<Token, void()>([](auto&& handler) { handler(); }, token);  // bad
  co_await f([]<typename T>(T) { return 1; });  // bad
  co_await f([[maybe_unused]] [] {});  // bad
  co_await f(
      g(
          [] {}));  // bad
  outer([&]() -> awaitable<void> {
    co_await f([x] {});  // bad
  });
  try {
    co_await f([] {});  // bad
  } catch (...) {
    co_await f([] {});  // bad
  }
}

#define STEP(x) co_await f([&] { return x; })  // bad

awaitable<void> braces() {
  co_await f(point{1, 2});  // bad
  co_await point{1, 2};  // bad
  co_await f({1, 2});  // bad
  co_await f(ns::point{.x = 1});  // bad
  co_await f(pair<int, vector<int>>{1, {}});  // bad
  co_await (initiation{state, 1})(token);  // bad
  auto r = co_await f(g(),
                      options{  // bad
                          1});
  co_return co_await f(T{});  // bad
  use(T{}, co_await f());  // bad
  co_await f(this->make{1});  // bad
  co_await f(decltype(x){1});  // bad
  if (auto x = co_await f({}); x) {  // bad
  }
  co_await a.f(x ? T{1} : u);  // bad
}
