// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

// A program is a list of actions. What an action refers to is taken modulo what there is when it
// is carried out, so every list is a program, and one from which actions have been dropped too.

namespace stress {

enum class op : std::uint8_t { run, wake, push, outside, on_strand, host, time };

enum class verb : std::uint8_t {
  finish,
  fail,
  abort,
  spawn,
  cancel,
  cancel_child,
  deadline,
  no_deadline,
  shutdown,
  block,
  join_child,
  join_scope,
  open,
  close,
  hop,
  reset,
  throws,
  spawn_when_room,
  track
};

inline constexpr std::array verb_names{
    "finish",   "fail",        "abort",    "spawn", "cancel",     "cancel_child",
    "deadline", "no_deadline", "shutdown", "block", "join_child", "join_scope",
    "open",     "close",       "hop",      "reset", "throws",     "spawn_when_room",
    "track"};

/// Something that a coroutine of the program does, or that is done from outside.
struct command {
  verb what = verb::finish;
  std::uint8_t x = 0, y = 0, z = 0;

  /// Bits for all the choices that a command has.
  [[nodiscard]] std::uint64_t bits() const noexcept {
    std::uint64_t h = (std::uint64_t{x} << 16 | std::uint64_t{y} << 8 | z) + 1;
    h *= 0x9e3779b97f4a7c15U;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9U;
    return h ^ h >> 32;
  }
};

struct action {
  op what = op::run;
  std::uint8_t who = 0;
  command does;
};

struct program {
  std::uint8_t flavour = 0;
  std::vector<action> actions;

  /// The context is destroyed at the end of the actions, whatever is left.
  [[nodiscard]] bool ends_abruptly() const noexcept { return flavour % 8 == 7; }
};

namespace detail {

inline op op_of(std::uint8_t byte) noexcept {
  int const n = byte % 64;
  return n < 28   ? op::run
         : n < 50 ? op::wake
         : n < 53 ? op::push
         : n < 56 ? op::outside
         : n < 59 ? op::on_strand
         : n < 61 ? op::host
                  : op::time;
}

inline verb verb_of(std::uint8_t byte) noexcept {
  constexpr std::array<int, 19> shares{9, 4, 2, 22, 5, 5, 4, 1, 2, 12, 6, 3, 3, 1, 3, 2, 2, 5, 5};
  int n = byte % 96;
  for (std::size_t i = 0; i != shares.size(); ++i) {
    if (n < shares[i]) return static_cast<verb>(i);
    n -= shares[i];
  }
  return verb::finish;
}

}  // namespace detail

/// Six bytes an action; the first byte of all is the flavour.
inline program program_of(std::uint8_t const* data, std::size_t size) {
  program p;
  if (size == 0) return p;
  p.flavour = data[0];
  for (std::size_t i = 1; i + 6 <= size; i += 6)
    p.actions.push_back({detail::op_of(data[i]),
                         data[i + 1],
                         {detail::verb_of(data[i + 2]), data[i + 3], data[i + 4], data[i + 5]}});
  return p;
}

inline program random_program(std::uint64_t seed, std::size_t length) {
  std::uint64_t state = seed;
  auto const next = [&state] {
    state += 0x9e3779b97f4a7c15U;
    auto z = state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
  };
  std::vector<std::uint8_t> bytes;
  bytes.reserve(1 + 6 * length);
  bytes.push_back(static_cast<std::uint8_t>(next()));
  while (bytes.size() < 1 + 6 * length) {
    auto const bits = next();
    for (int i = 0; i != 6; ++i) bytes.push_back(static_cast<std::uint8_t>(bits >> (8 * i)));
  }
  return program_of(bytes.data(), bytes.size());
}

inline std::string to_string(action const& a) {
  constexpr std::array ops{"run", "wake", "push", "outside", "on_strand", "host", "time"};
  std::ostringstream out;
  out << ops[static_cast<std::size_t>(a.what)] << ' ' << int{a.who};
  if (a.what >= op::wake && a.what <= op::on_strand)
    out << ' ' << verb_names[static_cast<std::size_t>(a.does.what)];
  out << ' ' << int{a.does.x} << ' ' << int{a.does.y} << ' ' << int{a.does.z};
  return out.str();
}

}  // namespace stress
