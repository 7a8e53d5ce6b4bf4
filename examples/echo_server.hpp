// SPDX-License-Identifier: MIT
//
// A TCP echo server: one child for each connection, in a scope that keeps running when one fails.
#pragma once

#include <asio.hpp>
#include <asio_cancel_scope.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <utility>

namespace echo {

using asio::ip::tcp;

/// served = finished + cut, once the server has ended. A connection is finished when its client has
/// closed it, and cut when it broke or the server ended it.
struct tally {
  std::atomic<std::size_t> served = 0;
  std::atomic<std::size_t> finished = 0;
  std::atomic<std::size_t> cut = 0;
};

/// Called on any of the server's threads, by several at once.
using reporter = std::function<void(std::string const&)>;

inline tcp::acceptor listen_on_loopback(asio::io_context& context, unsigned short port) {
  tcp::acceptor acceptor(context, tcp::v4());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind(tcp::endpoint(asio::ip::address_v4::loopback(), port));
  acceptor.listen();
  return acceptor;
}

//[session
inline asio::awaitable<void> copy_back(tcp::socket& socket) {
  std::array<char, 16 * 1024> data;
  for (;;) {
    asio::error_code error;
    std::size_t const got = co_await socket.async_read_some(
        asio::buffer(data), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::eof) co_return;
    if (error) throw asio::system_error(error);
    co_await asio::async_write(socket, asio::buffer(data, got), asio::use_awaitable);
  }
}

inline asio::awaitable<void> session(tcp::socket socket, tally& count) {
  ++count.served;
  try {
    co_await copy_back(socket);
    ++count.finished;
  } catch (...) {
    ++count.cut;
    throw;
  }
}
//]

//[accept_loop
inline asio::awaitable<void> accept_loop(asio::io_context& context, tcp::acceptor acceptor,
                                         asio_cancel_scope::cancel_scope<>& sessions, tally& count,
                                         reporter const& report) {
  asio::steady_timer pause(context);
  bool told = false;
  for (;;) {
    // The context may be run by several threads. On a strand of its own a session is serial, and a
    // cancellation, which is emitted there too, never touches its socket from beside.
    asio::any_io_executor const strand = asio::make_strand(context);
    asio::error_code error;
    tcp::socket socket =
        co_await acceptor.async_accept(strand, asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      sessions.spawn(strand, session(std::move(socket), count));
      told = false;
      continue;
    }
    if (error == asio::error::operation_aborted) throw asio::system_error(error);

    // No descriptors, no memory: that passes when sessions end. At once it would only fail again.
    if (!std::exchange(told, true)) report("cannot accept for now: " + error.message());
    pause.expires_after(std::chrono::milliseconds(100));
    co_await pause.async_wait(asio::use_awaitable);
  }
}

/// Serves until it is cancelled, and is done when no connection is left.
inline asio::awaitable<void> serve(asio::io_context& context, tcp::acceptor acceptor, tally& count,
                                   reporter report) {
  auto const session_failed = [&report](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (std::exception const& e) {
      report(std::string("a connection broke: ") + e.what());
    }
  };
  auto options = asio_cancel_scope::scope_options()
                     .policy(asio_cancel_scope::on_child_error::keep_running)
                     .on_suppressed(session_failed);
  co_await asio_cancel_scope::with_cancel_scope(options, [&](auto& sessions) {
    return accept_loop(context, std::move(acceptor), sessions, count, report);
  });
}
//]

}  // namespace echo
