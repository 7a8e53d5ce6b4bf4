// SPDX-License-Identifier: MIT
//
// Clients of the graceful server: idle ones, busy ones, and ones whose request takes too long. When
// the server is at work on all that they want of it the last of them sends the process a SIGTERM.
#pragma once

#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <iostream>
#include <string>

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio_cancel_scope::cancel_scope;
using asio_cancel_scope::with_cancel_scope;

constexpr std::size_t idle_clients = 3;
constexpr std::size_t busy_clients = 3;
constexpr std::size_t straggling_clients = 2;

inline std::string const first_line = "at work\n";
inline std::string const final_line = "here you are\n";

struct client_tally {
  std::size_t not_ready = idle_clients + busy_clients + straggling_clients;
  std::size_t answered = 0;
  std::size_t ended = 0;
  std::chrono::steady_clock::time_point told_to_end;
};

inline void ready(client_tally& count) {
  if (--count.not_ready != 0) return;
  std::cout << "all clients are there: SIGTERM\n";
  count.told_to_end = std::chrono::steady_clock::now();
  std::raise(SIGTERM);
}

inline asio::awaitable<bool> expect(tcp::socket& socket, std::string const& line) {
  std::string got(line.size(), '\0');
  asio::error_code error;
  co_await asio::async_read(socket, asio::buffer(got),
                            asio::redirect_error(asio::use_awaitable, error));
  if (error && error != asio::error::eof) throw asio::system_error(error);
  co_return got == line;
}

inline asio::awaitable<void> client(tcp::endpoint server, char const* name,
                                    std::chrono::milliseconds effort, client_tally& count) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, asio::use_awaitable);
  std::string const request = std::to_string(effort.count()) + "\n";
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  co_await expect(socket, first_line);
  bool const idle = effort == 0ms;
  if (!idle) ready(count);
  bool const answered = co_await expect(socket, final_line);
  if (idle) ready(count);

  bool const hung_up = !answered || !co_await expect(socket, "more");
  auto const after = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - count.told_to_end);
  std::cout << "  " << name << ": " << (answered ? "answered" : "not answered")
            << ", connection ended after " << after.count() << " ms\n";
  if (answered) ++count.answered;
  if (hung_up) ++count.ended;
}

inline asio::awaitable<void> run_clients(tcp::endpoint server, client_tally& count) {
  co_await with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    for (std::size_t i = 0; i < idle_clients; ++i) scope.spawn(client(server, "idle", 0ms, count));
    for (std::size_t i = 0; i < busy_clients; ++i)
      scope.spawn(client(server, "busy", 100ms, count));
    for (std::size_t i = 0; i < straggling_clients; ++i)
      scope.spawn(client(server, "straggler", 60s, count));
    co_return;
  });
}
