# SPDX-License-Identifier: MIT

set(acs_headers
    include/asio_cancel_scope.hpp
    include/asio_cancel_scope/cancel_cause.hpp
    include/asio_cancel_scope/cancel_on.hpp
    include/asio_cancel_scope/cancel_scope.hpp
    include/asio_cancel_scope/checkpoint.hpp
    include/asio_cancel_scope/child.hpp
    include/asio_cancel_scope/child_options.hpp
    include/asio_cancel_scope/child_queue.hpp
    include/asio_cancel_scope/gather.hpp
    include/asio_cancel_scope/on_child_error.hpp
    include/asio_cancel_scope/race.hpp
    include/asio_cancel_scope/race_result.hpp
    include/asio_cancel_scope/ready_signal.hpp
    include/asio_cancel_scope/scope_options.hpp
    include/asio_cancel_scope/scope_result.hpp
    include/asio_cancel_scope/shielded.hpp
    include/asio_cancel_scope/shutdown_report.hpp
    include/asio_cancel_scope/timeouts.hpp
    include/asio_cancel_scope/version.hpp
    include/asio_cancel_scope/with_cancel_scope.hpp
    include/asio_cancel_scope/with_cleanup.hpp
    include/asio_cancel_scope/detail/access.hpp
    include/asio_cancel_scope/detail/admission.hpp
    include/asio_cancel_scope/detail/arrivals.hpp
    include/asio_cancel_scope/detail/asio.hpp
    include/asio_cancel_scope/detail/awaitable_traits.hpp
    include/asio_cancel_scope/detail/block.hpp
    include/asio_cancel_scope/detail/cancellation_error.hpp
    include/asio_cancel_scope/detail/cancellation_type.hpp
    include/asio_cancel_scope/detail/child_initiation.hpp
    include/asio_cancel_scope/detail/child_record.hpp
    include/asio_cancel_scope/detail/cleanup.hpp
    include/asio_cancel_scope/detail/co_await_temporaries.hpp
    include/asio_cancel_scope/detail/completion_token.hpp
    include/asio_cancel_scope/detail/coroutine_record.hpp
    include/asio_cancel_scope/detail/deadline.hpp
    include/asio_cancel_scope/detail/errors.hpp
    include/asio_cancel_scope/detail/expiry_timer.hpp
    include/asio_cancel_scope/detail/group.hpp
    include/asio_cancel_scope/detail/group_kinds.hpp
    include/asio_cancel_scope/detail/handover.hpp
    include/asio_cancel_scope/detail/in_place_signal.hpp
    include/asio_cancel_scope/detail/join.hpp
    include/asio_cancel_scope/detail/keep_running.hpp
    include/asio_cancel_scope/detail/list.hpp
    include/asio_cancel_scope/detail/nesting.hpp
    include/asio_cancel_scope/detail/operand.hpp
    include/asio_cancel_scope/detail/outcome_record.hpp
    include/asio_cancel_scope/detail/placement.hpp
    include/asio_cancel_scope/detail/posting.hpp
    include/asio_cancel_scope/detail/record.hpp
    include/asio_cancel_scope/detail/reference.hpp
    include/asio_cancel_scope/detail/run_block.hpp
    include/asio_cancel_scope/detail/scope_cancelling.hpp
    include/asio_cancel_scope/detail/scope_leaving.hpp
    include/asio_cancel_scope/detail/scope_starting.hpp
    include/asio_cancel_scope/detail/scope_state.hpp
    include/asio_cancel_scope/detail/serial_executor.hpp
    include/asio_cancel_scope/detail/settings.hpp
    include/asio_cancel_scope/detail/slot_forwarding.hpp
    include/asio_cancel_scope/detail/slot_link.hpp
    include/asio_cancel_scope/detail/start_record.hpp
    include/asio_cancel_scope/detail/stop_sources.hpp
    include/asio_cancel_scope/detail/timed_block.hpp
    include/asio_cancel_scope/detail/token_record.hpp
    include/asio_cancel_scope/detail/tracked.hpp
    include/asio_cancel_scope/detail/waiter.hpp
)

# Both libraries are the same headers. Each has them as a file set of its own, so that each header
# is verified with each Asio and either library can be installed and used without the other.
function(acs_add_library target export_name backend)
  add_library(${target} INTERFACE)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${export_name})
  target_sources(
    ${target} INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include"
                        FILES ${acs_headers}
  )
  target_compile_features(${target} INTERFACE cxx_std_20)
  target_link_libraries(${target} INTERFACE ${backend})

  if(PROJECT_IS_TOP_LEVEL)
    if(TARGET ${backend})
      set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
    endif()
  else()
    # A consumer's warnings are not about these headers.
    set_target_properties(${target} PROPERTIES SYSTEM ON)
  endif()

  # Without its Asio the library can be installed but not linked here.
  if(TARGET ${backend})
    add_library(asio_cancel_scope::${export_name} ALIAS ${target})
  endif()
endfunction()

acs_add_library(asio_cancel_scope asio_cancel_scope asio::asio)
acs_add_library(asio_cancel_scope_boost boost Boost::headers)
target_link_libraries(asio_cancel_scope_boost INTERFACE Threads::Threads)
target_compile_definitions(asio_cancel_scope_boost INTERFACE ASIO_CANCEL_SCOPE_USE_BOOST_ASIO)
