// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <stdexcept>

/// Counts its live instances, to see when captures, arguments and results are destroyed.
class tracked {
 public:
  tracked() noexcept { ++alive_; }
  explicit tracked(int v) noexcept : value(v) { ++alive_; }
  tracked(tracked const& other) noexcept : value(other.value) { ++alive_; }
  tracked(tracked&& other) noexcept : value(other.value) { ++alive_; }
  tracked& operator=(tracked const&) noexcept = default;
  tracked& operator=(tracked&&) noexcept = default;
  ~tracked() { --alive_; }

  static int alive() noexcept { return alive_.load(); }

  int value = 0;

 private:
  static inline std::atomic<int> alive_{0};
};

class move_only {
 public:
  move_only() = default;
  explicit move_only(int v) noexcept : value(v) {}
  move_only(move_only const&) = delete;
  move_only& operator=(move_only const&) = delete;
  move_only(move_only&& other) noexcept : value(other.value) { other.value = moved_from; }
  move_only& operator=(move_only&& other) noexcept {
    if (this != &other) {
      value = other.value;
      other.value = moved_from;
    }
    return *this;
  }
  ~move_only() = default;

  static constexpr int moved_from = -1;

  int value = 0;
};

class not_default_constructible {
 public:
  not_default_constructible() = delete;
  explicit not_default_constructible(int v) noexcept : value(v) {}

  int value;
};

/// Throws when it has been moved or copied `moves_allowed` times. The count goes along with the
/// value, so a test can choose at which of several moves it happens.
class throws_on_move {
 public:
  explicit throws_on_move(int moves_allowed = 0) noexcept : left_(moves_allowed) {}
  throws_on_move(throws_on_move const& other) : left_(next(other)) {}
  throws_on_move(throws_on_move&& other) : left_(next(other)) {}
  throws_on_move& operator=(throws_on_move const& other) {
    left_ = next(other);
    return *this;
  }
  throws_on_move& operator=(throws_on_move&& other) {
    left_ = next(other);
    return *this;
  }
  ~throws_on_move() = default;

 private:
  static int next(throws_on_move const& other) {
    if (other.left_ <= 0) {
      throw std::runtime_error("throws_on_move");
    }
    return other.left_ - 1;
  }

  int left_;
};
