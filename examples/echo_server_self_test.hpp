// SPDX-License-Identifier: MIT
//
// Real clients over loopback, all connected at once. Half of them send much and end in order, some
// break off in the middle, and some are still sending when the server is cancelled. Each compares
// every byte that comes back, while it goes on sending.
#pragma once

#include "echo_server.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace echo {

using asio_cancel_scope::with_cancel_scope;

constexpr std::size_t chunk = 32 * 1024;
constexpr std::size_t endless = std::numeric_limits<std::size_t>::max();
constexpr std::size_t much = 8 * 1024 * 1024;  // more than the socket buffers of both ends hold
constexpr std::size_t some = much / 4;

enum class manner { finish, finish_too, break_off, hold_on };

struct client {
  client(asio::io_context& context, std::size_t n)
      : number(n), way(static_cast<manner>(n % 4)), strand(make_strand(context)), socket(strand) {}

  std::size_t number;
  manner way;
  asio::any_io_executor strand;
  tcp::socket socket;
  std::size_t sent = 0;
  std::size_t received = 0;
};

using clients = std::vector<std::unique_ptr<client>>;

/// What a client sends at this offset, up to a chunk of it: noise, other noise for each client.
inline char const* bytes_at(client const& c, std::size_t offset) {
  constexpr std::size_t period = 65521;
  static std::vector<char> const noise = [] {
    std::vector<char> made(period + chunk);
    std::mt19937 random(1);
    std::generate_n(made.begin(), period, [&] { return static_cast<char>(random()); });
    std::copy_n(made.begin(), chunk, made.begin() + period);
    return made;
  }();
  return noise.data() + (c.number * 7919 + offset) % period;
}

inline asio::awaitable<void> send(client& c, std::size_t until) {
  while (c.sent < until) {
    auto const bytes = asio::buffer(bytes_at(c, c.sent), std::min(chunk, until - c.sent));
    co_await asio::async_write(c.socket, bytes, asio::use_awaitable);
    c.sent += bytes.size();
  }
}

inline asio::awaitable<void> receive(client& c, std::size_t until) {
  std::vector<char> data(chunk);
  while (c.received < until) {
    auto const room = asio::buffer(data, until - c.received);
    std::size_t const got = co_await c.socket.async_read_some(room, asio::use_awaitable);
    if (std::memcmp(data.data(), bytes_at(c, c.received), got) != 0) {
      throw std::runtime_error("self-test: a client got back other bytes than it had sent");
    }
    c.received += got;
  }
}

inline asio::awaitable<void> connect(client& c, tcp::endpoint server) {
  c.socket.open(server.protocol());
  c.socket.set_option(tcp::socket::send_buffer_size(64 * 1024));
  c.socket.set_option(tcp::socket::receive_buffer_size(64 * 1024));
  co_await c.socket.async_connect(server, asio::use_awaitable);
  co_await send(c, 1);
  co_await receive(c, 1);
}

inline asio::awaitable<void> finish(client& c) {
  co_await with_cancel_scope([&](auto& both_ways) -> asio::awaitable<void> {
    both_ways.spawn(send(c, much));
    co_await receive(c, much);
  });
  c.socket.shutdown(tcp::socket::shutdown_send);
  asio::error_code error;
  char more = 0;
  co_await c.socket.async_read_some(asio::buffer(&more, 1),
                                    asio::redirect_error(asio::use_awaitable, error));
  if (error != asio::error::eof) {
    throw std::runtime_error("self-test: a client did not see the end of its connection");
  }
}

inline asio::awaitable<void> break_off(client& c) {
  co_await with_cancel_scope([&](auto& both_ways) -> asio::awaitable<void> {
    both_ways.spawn(send(c, endless));
    co_await receive(c, some);
    both_ways.cancel();
  });
  // Without lingering closing is a reset, whatever is under way.
  c.socket.set_option(tcp::socket::linger(true, 0));
  c.socket.close();
}

inline asio::awaitable<void> hold_on(client& c, std::function<void()> const& under_way) {
  try {
    co_await with_cancel_scope([&](auto& both_ways) -> asio::awaitable<void> {
      both_ways.spawn(send(c, endless));
      co_await receive(c, some);
      under_way();
      co_await receive(c, endless);
    });
  } catch (asio::system_error const& e) {
    bool const hung_up = e.code() == asio::error::eof ||
                         e.code() == asio::error::connection_reset ||
                         e.code() == asio::error::broken_pipe;
    if (!hung_up) throw;
  }
}

inline asio::awaitable<void> connect_all(clients const& all, tcp::endpoint server) {
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    for (auto const& c : all) scope.spawn(c->strand, connect(*c, server));
    co_return;
  });
}

inline asio::awaitable<void> finish_or_break_off(clients const& all) {
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    for (auto const& c : all) {
      if (c->way == manner::break_off) scope.spawn(c->strand, break_off(*c));
      if (c->way == manner::finish || c->way == manner::finish_too)
        scope.spawn(c->strand, finish(*c));
    }
    co_return;
  });
}

/// Calls `end_server` when the others are done and those that hold on are all in full swing.
inline asio::awaitable<void> transfer(clients const& all, std::function<void()> const& end_server) {
  std::atomic<std::size_t> awaited = 1;
  std::function<void()> const ready = [&] {
    if (--awaited == 0) end_server();
  };
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    for (auto const& c : all) {
      if (c->way != manner::hold_on) continue;
      ++awaited;
      scope.spawn(c->strand, hold_on(*c, ready));
    }
    co_await finish_or_break_off(all);
    ready();
  });
}

inline bool same(char const* what, std::size_t seen, std::size_t expected) {
  std::cout << "  " << what << ": " << seen;
  if (seen != expected) std::cout << ", but it should be " << expected;
  std::cout << '\n';
  return seen == expected;
}

inline asio::awaitable<bool> self_test(asio::io_context& context, tcp::acceptor acceptor,
                                       std::size_t how_many) {
  auto const endpoint = acceptor.local_endpoint();
  clients all;
  for (std::size_t n = 0; n < how_many; ++n) all.push_back(std::make_unique<client>(context, n));
  auto const in_manner = [&](manner way) {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](auto const& c) { return c->way == way; }));
  };
  std::size_t const breaking = in_manner(manner::break_off);
  std::size_t const holding = in_manner(manner::hold_on);

  tally count;
  std::size_t open_at_once = 0;
  std::atomic<std::size_t> reported = 0;
  auto const report = [&](std::string const&) { ++reported; };

  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    auto server = scope.spawn(serve(context, std::move(acceptor), count, report));
    co_await connect_all(all, endpoint);
    open_at_once = count.served - count.finished - count.cut;
    std::function<void()> const end_server = [&] { server.cancel(); };
    co_await transfer(all, end_server);
  });

  std::size_t bytes = 0;
  for (auto const& c : all) bytes += c->received;
  std::cout << "self-test: " << bytes / (1024 * 1024) << " MiB came back as they were sent\n";
  bool good = same("connections open at once", open_at_once, how_many);
  good &= same("served", count.served, how_many);
  good &= same("finished", count.finished, how_many - breaking - holding);
  good &= same("cut", count.cut, breaking + holding);
  good &= same("of these broken off by the client", reported, breaking);
  std::cout << (good ? "self-test: good\n" : "self-test: FAILED\n");
  co_return good;
}

}  // namespace echo
