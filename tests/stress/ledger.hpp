// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <utility>

namespace stress {

/// What becomes of a child.
enum class fate : unsigned char { never_started, finished, cut, failed, lost };

/// Handlers that have to be called.
struct calls {
  std::atomic<long> asked{0};
  std::atomic<long> answered{0};

  [[nodiscard]] bool balanced() const noexcept { return asked == answered; }
};

/// The accounts of one scope, kept from any thread.
struct ledger {
  static constexpr std::size_t fates = 5;

  std::atomic<long> children{0};
  std::array<std::atomic<long>, fates> ended{};
  std::atomic<long> errors{0};      // of children that have neither a token nor a starter
  std::atomic<long> suppressed{0};  // of these
  std::atomic<long> refused{0};     // calls that threw: full, or closed
  std::atomic<long> wrong_values{0};
  calls inside;   // must have been answered when the scope has been left
  calls outside;  // may come later

  [[nodiscard]] std::atomic<long>& of(fate f) noexcept {
    return ended[static_cast<std::size_t>(f)];
  }

  [[nodiscard]] long all_ended() const noexcept {
    long sum = 0;
    for (auto const& n : ended) sum += n;
    return sum;
  }
};

/// A child's entry in the ledger. Its callable holds it: the entry is closed when that is
/// destroyed, started or not.
class ticket {
 public:
  explicit ticket(ledger& in) noexcept : in_(&in), number_(in.children.fetch_add(1)) {}
  ticket(ticket&& other) noexcept
      : in_(std::exchange(other.in_, nullptr)), number_(other.number_), fate_(other.fate_) {}
  ticket& operator=(ticket&&) = delete;
  ~ticket() {
    if (in_) ++in_->of(fate_);
  }

  [[nodiscard]] long number() const noexcept { return number_; }
  void starts() noexcept { fate_ = fate::lost; }
  void ends(fate f) noexcept { fate_ = f; }

 private:
  ledger* in_;
  long number_;
  fate fate_ = fate::never_started;
};

}  // namespace stress
