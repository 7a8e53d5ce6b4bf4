// SPDX-License-Identifier: MIT

#include <asio_cancel_scope.hpp>

int main() {}
