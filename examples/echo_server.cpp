// SPDX-License-Identifier: MIT
//
// The program around echo_server.hpp: its options, its signals, its threads.
#include "echo_server.hpp"

#include "echo_server_self_test.hpp"

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

constexpr std::string_view usage = R"(usage: echo_server [--port N] [--threads N] [--self-test N]

Sends back whatever comes in over TCP, on 127.0.0.1. SIGINT and SIGTERM end it: it cuts the
connections that are left, waits until they are gone, and prints how many it served.

  --port N       listen on port N (default 7777); 0 takes a free one and prints it
  --threads N    run on N threads, 1 to 64 (default 1)
  --self-test N  serve N clients of its own, 1 to 400, check what they get, and end
  --help         print this and end

Exit status: 0 good, 1 cannot listen or self-test failed, 2 bad option.
)";

struct settings {
  unsigned port = 7777;
  unsigned threads = 1;
  std::optional<unsigned> self_test;
  bool help = false;
};

struct bad_option : std::runtime_error {
  using runtime_error::runtime_error;
};

unsigned number(std::string const& option, std::string const& text, unsigned least, unsigned most) {
  unsigned value = 0;
  auto const end = text.data() + text.size();
  auto const [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < least || value > most) {
    throw bad_option(option + " takes a number from " + std::to_string(least) + " to " +
                     std::to_string(most) + ", not '" + text + "'");
  }
  return value;
}

settings read_options(std::vector<std::string> const& words) {
  settings chosen;
  for (auto word = words.begin(); word != words.end(); ++word) {
    auto const value = [&, option = *word](unsigned least, unsigned most) {
      if (++word == words.end()) throw bad_option(option + " takes a number, and none is given");
      return number(option, *word, least, most);
    };
    if (*word == "--port") {
      chosen.port = value(0, 65535);
    } else if (*word == "--threads") {
      chosen.threads = value(1, 64);
    } else if (*word == "--self-test") {
      chosen.self_test = value(1, 400);
    } else if (*word == "--help") {
      chosen.help = true;
    } else {
      throw bad_option("there is no option '" + *word + "'");
    }
  }
  return chosen;
}

//[serve_until_signal
asio::awaitable<bool> serve_until_signal(asio::io_context& context,
                                         asio::ip::tcp::acceptor acceptor) {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGINT, SIGTERM);
  std::cout << "listening on port " << acceptor.local_endpoint().port() << std::endl;

  echo::tally count;
  co_await asio_cancel_scope::with_cancel_scope([&](auto& scope) -> asio::awaitable<void> {
    auto const report = [](std::string const& what) { std::cerr << what + '\n'; };
    scope.spawn(echo::serve(context, std::move(acceptor), count, report));
    co_await signals.async_wait(asio::use_awaitable);
    scope.cancel();
  });

  std::cout << "served " << count.served << " connections: " << count.finished << " finished, "
            << count.cut << " cut" << std::endl;
  co_return true;
}
//]

bool run(asio::io_context& context, unsigned threads, asio::awaitable<bool> program) {
  std::vector<std::jthread> others;
  auto idle = asio::make_work_guard(context);
  for (unsigned i = 1; i < threads; ++i) others.emplace_back([&] { context.run(); });
  auto good = asio::co_spawn(asio::make_strand(context), std::move(program), asio::use_future);
  idle.reset();
  context.run();
  return good.get();
}

int main(int argc, char** argv) {
  settings chosen;
  try {
    chosen = read_options(std::vector<std::string>(argv + 1, argv + argc));
  } catch (bad_option const& e) {
    std::cerr << "echo_server: " << e.what() << "; see echo_server --help\n";
    return 2;
  }
  if (chosen.help) {
    std::cout << usage;
    return EXIT_SUCCESS;
  }

  unsigned const port = chosen.self_test ? 0 : chosen.port;
  asio::io_context context;
  std::optional<asio::ip::tcp::acceptor> acceptor;
  try {
    acceptor = echo::listen_on_loopback(context, static_cast<unsigned short>(port));
  } catch (asio::system_error const& e) {
    std::cerr << "echo_server: cannot listen on port " << port << ": " << e.code().message()
              << '\n';
    return EXIT_FAILURE;
  }

  try {
    auto program = chosen.self_test
                       ? echo::self_test(context, std::move(*acceptor), *chosen.self_test)
                       : serve_until_signal(context, std::move(*acceptor));
    return run(context, chosen.threads, std::move(program)) ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (std::exception const& e) {
    std::cerr << "echo_server: " << e.what() << '\n';
    return EXIT_FAILURE;
  }
}
