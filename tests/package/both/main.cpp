// SPDX-License-Identifier: MIT

#include <cstdio>

int run_on_standalone();
int run_on_boost();

int main() {
  int const standalone = run_on_standalone();
  int const boost = run_on_boost();
  std::printf("%d %d\n", standalone, boost);
  return standalone == 2 && boost == 2 ? 0 : 1;
}
