// SPDX-License-Identifier: MIT

// libFuzzer: bytes are programs, run with the library and compared with the model. What it finds
// is run again, without libFuzzer, by the program of programs.cpp with --replay.

#include "stress/runner.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const result = stress::run(stress::program_of(data, size));
  if (result.why.empty()) return 0;
  std::fprintf(stderr, "%s\n", result.why.c_str());
  std::abort();
}
