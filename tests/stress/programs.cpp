// SPDX-License-Identifier: MIT

// Random programs, run with the library and compared with the model.

#include "stress/runner.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace {

/// Drops actions as long as the program still fails.
stress::program shrink(stress::program p) {
  for (std::size_t size = p.actions.size() / 2; size != 0; size /= 2) {
    for (std::size_t from = 0; from + size <= p.actions.size();) {
      auto smaller = p;
      auto const first = smaller.actions.begin() + static_cast<std::ptrdiff_t>(from);
      smaller.actions.erase(first, first + static_cast<std::ptrdiff_t>(size));
      if (stress::run(smaller).why.empty())
        from += size;
      else
        p = std::move(smaller);
    }
  }
  return p;
}

std::size_t length_of(std::uint64_t seed) {
  constexpr std::size_t lengths[] = {30, 60, 100, 200};
  return lengths[seed % 4];
}

/// Prints a program that fails, made as short as it can be, and all that happens in it.
int show(stress::program const& failing, std::string const& name, std::string const& why) {
  std::printf("%s fails: %s\n", name.c_str(), why.c_str());
  std::fflush(stdout);
  auto const p = shrink(failing);
  std::printf("shrunk to %zu actions, flavour %d:\n", p.actions.size(), int{p.flavour});
  auto const again = stress::run(p, true);
  std::printf("%s\n", again.why.c_str());
  return 1;
}

/// Runs what the fuzzer has kept or found: files, and folders of files.
int replay(std::vector<std::string> const& paths) {
  std::vector<std::filesystem::path> files;
  for (auto const& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (auto const& entry : std::filesystem::directory_iterator(path))
      if (entry.path().filename().string().front() != '.') files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::uint64_t steps = 0;
  for (auto const& file : files) {
    std::ifstream in(file, std::ios::binary);
    std::vector<char> const text{std::istreambuf_iterator<char>(in), {}};
    std::vector<std::uint8_t> const bytes(text.begin(), text.end());
    auto const p = stress::program_of(bytes.data(), bytes.size());
    auto const r = stress::run(p);
    steps += r.steps;
    if (!r.why.empty()) return show(p, file.string(), r.why);
  }
  std::printf("%zu files, %llu steps, no difference\n", files.size(),
              static_cast<unsigned long long>(steps));
  return files.empty() ? 1 : 0;
}

int usage() {
  std::fprintf(stderr,
               "programs [--steps N] [--seconds N] [--first SEED]   random programs\n"
               "programs --seed SEED                                one of them\n"
               "programs --replay PATH...                          what the fuzzer has written\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "--replay") == 0)
    return replay(std::vector<std::string>(argv + 2, argv + argc));
  if (argc % 2 == 0) return usage();
  std::uint64_t steps = 10'000'000;
  std::uint64_t first = 1;
  std::uint64_t seconds = ~std::uint64_t{0};
  bool only = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    auto const number = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--steps") == 0) {
      steps = number;
    } else if (std::strcmp(argv[i], "--first") == 0) {
      first = number;
    } else if (std::strcmp(argv[i], "--seconds") == 0) {
      seconds = number;
    } else if (std::strcmp(argv[i], "--seed") == 0) {
      first = number;
      only = true;
    } else {
      return usage();
    }
  }

  auto const begin = std::chrono::steady_clock::now();
  stress::result all;
  std::uint64_t seed = first;
  auto const elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  for (; all.steps < steps; ++seed) {
    auto const r = stress::run(stress::random_program(seed, length_of(seed)));
    all.steps += r.steps;
    for (std::size_t i = 0; i != r.checked.size(); ++i) {
      all.checked[i] += r.checked[i];
      all.situations[i] += r.situations[i];
    }
    if (!r.why.empty())
      return show(stress::random_program(seed, length_of(seed)), "seed " + std::to_string(seed),
                  r.why);
    if (only || elapsed() > static_cast<double>(seconds)) {
      ++seed;
      break;
    }
  }
  std::printf("%llu steps, seeds %llu to %llu, %.1f s, no difference\n",
              static_cast<unsigned long long>(all.steps), static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(seed - 1), elapsed());
  std::printf("  rule   situations  comparisons\n");
  for (std::size_t i = 1; i != all.checked.size(); ++i)
    if (all.checked[i] != 0 || all.situations[i] != 0)
      std::printf("  %4zu %12llu %12llu\n", i, static_cast<unsigned long long>(all.situations[i]),
                  static_cast<unsigned long long>(all.checked[i]));
  return 0;
}
