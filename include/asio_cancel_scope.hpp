// SPDX-License-Identifier: MIT
#pragma once

/// @namespace asio_cancel_scope
/// A scope owns the coroutines that are spawned in it: when it has been left none of them is left,
/// and one call cancels them all. Begin with @ref asio_cancel_scope::with_cancel_scope.

#include <asio_cancel_scope/cancel_cause.hpp>
#include <asio_cancel_scope/cancel_on.hpp>
#include <asio_cancel_scope/cancel_scope.hpp>
#include <asio_cancel_scope/checkpoint.hpp>
#include <asio_cancel_scope/child.hpp>
#include <asio_cancel_scope/child_options.hpp>
#include <asio_cancel_scope/child_queue.hpp>
#include <asio_cancel_scope/gather.hpp>
#include <asio_cancel_scope/on_child_error.hpp>
#include <asio_cancel_scope/race.hpp>
#include <asio_cancel_scope/race_result.hpp>
#include <asio_cancel_scope/ready_signal.hpp>
#include <asio_cancel_scope/scope_options.hpp>
#include <asio_cancel_scope/scope_result.hpp>
#include <asio_cancel_scope/shielded.hpp>
#include <asio_cancel_scope/shutdown_report.hpp>
#include <asio_cancel_scope/timeouts.hpp>
#include <asio_cancel_scope/version.hpp>
#include <asio_cancel_scope/with_cancel_scope.hpp>
#include <asio_cancel_scope/with_cleanup.hpp>
