// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

/// An ordered list of words that any thread may add to, compared as one string: "a b c".
class event_log {
 public:
  void add(std::string word) {
    std::lock_guard lock(mutex_);
    words_.push_back(std::move(word));
  }

  std::string str() const {
    std::lock_guard lock(mutex_);
    std::string all;
    for (auto const& word : words_) {
      if (!all.empty()) {
        all += ' ';
      }
      all += word;
    }
    return all;
  }

  std::size_t count(std::string const& word) const {
    std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count(words_.begin(), words_.end(), word));
  }

  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return words_.size();
  }

  void clear() {
    std::lock_guard lock(mutex_);
    words_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> words_;
};
