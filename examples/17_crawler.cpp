// SPDX-License-Identifier: MIT
//
// A crawler that fetches at most four pages at a time. Each page leads to others, which wait until
// there is room; when the scope has been left all have been seen.
#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <set>
#include <vector>

using namespace std::chrono_literals;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::scope_options;
using asio_cancel_scope::with_cancel_scope;

constexpr std::size_t most_fetches = 4;
constexpr int last_page = 60;

/// A site in memory: page n links to the pages 2n and 2n+1, to the one before it, and to the first.
class site {
 public:
  asio::awaitable<std::vector<int>> fetch(int page) {
    most_at_once_ = std::max(most_at_once_, ++at_work_);
    asio::steady_timer network(co_await asio::this_coro::executor, 5ms);
    co_await network.async_wait(asio::use_awaitable);
    --at_work_;
    ++fetched_;
    std::vector<int> links;
    for (int const link : {2 * page, 2 * page + 1, page - 1, 1})
      if (link >= 1 && link <= last_page) links.push_back(link);
    co_return links;
  }

  std::size_t most_at_once() const { return most_at_once_; }
  int fetched() const { return fetched_; }

 private:
  std::size_t at_work_ = 0;
  std::size_t most_at_once_ = 0;
  int fetched_ = 0;
};

//[crawl
asio::awaitable<void> visit(cancel_scope<>& scope, site& where, std::set<int>& seen, int page) {
  for (int const link : co_await where.fetch(page)) {
    if (!seen.insert(link).second) continue;
    // The new page waits for room, this one does not: a child that waited for room which only its
    // own end can give would wait forever.
    scope.async_spawn(visit(scope, where, seen, link), asio::detached);
  }
}

asio::awaitable<std::set<int>> crawl(site& where, int first) {
  std::set<int> seen{first};
  auto const options = scope_options().max_children(most_fetches);
  co_await with_cancel_scope(
      options, [&](cancel_scope<>& scope) { return visit(scope, where, seen, first); });
  co_return seen;
}
//]

asio::awaitable<bool> example() {
  site where;
  auto const seen = co_await crawl(where, 1);
  std::cout << "fetched " << where.fetched() << " pages, at most " << where.most_at_once()
            << " at a time\n";
  bool const each_once = seen.size() == last_page && where.fetched() == last_page;
  bool const as_many_as_allowed = where.most_at_once() == most_fetches;
  bool const as_promised = each_once && as_many_as_allowed;
  co_return as_promised;
}

int main() {
  asio::io_context context;
  auto as_promised = asio::co_spawn(context, example(), asio::use_future);
  context.run();
  return as_promised.get() ? 0 : 1;
}
