# SPDX-License-Identifier: MIT
#
# The reference: Doxygen over the public headers, with the README as its front page. A warning is an
# error, and so is anything public without documentation.

find_package(Doxygen 1.9 REQUIRED)

set(acs_public_headers ${acs_headers})
list(FILTER acs_public_headers EXCLUDE REGEX "/detail/")

set(DOXYGEN_USE_MDFILE_AS_MAINPAGE "${PROJECT_SOURCE_DIR}/README.md")
set(DOXYGEN_STRIP_FROM_PATH "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
set(DOXYGEN_STRIP_FROM_INC_PATH "${PROJECT_SOURCE_DIR}/include")
# Where @snippet finds what the headers name.
set(DOXYGEN_EXAMPLE_PATH "${PROJECT_SOURCE_DIR}")
set(DOXYGEN_IMAGE_PATH "${PROJECT_SOURCE_DIR}/tests/benchmarks")
set(DOXYGEN_SEARCH_INCLUDES NO)
set(DOXYGEN_DISTRIBUTE_GROUP_DOC YES)
set(DOXYGEN_INPUT_FILTER "sed -E -f cmake/doxygen_filter.sed")
set(DOXYGEN_FILTER_SOURCE_FILES YES)
set(DOXYGEN_EXCLUDE_SYMBOLS "asio_cancel_scope::detail" "asio_cancel_scope::detail::*")
set(DOXYGEN_HIDE_FRIEND_COMPOUNDS YES)
set(DOXYGEN_JAVADOC_AUTOBRIEF YES)
set(DOXYGEN_TOC_INCLUDE_HEADINGS 2)
set(DOXYGEN_AUTOLINK_SUPPORT NO)
set(DOXYGEN_GENERATE_LATEX NO)
set(DOXYGEN_HAVE_DOT NO)
set(DOXYGEN_QUIET YES)
set(DOXYGEN_WARN_IF_UNDOCUMENTED YES)
set(DOXYGEN_WARN_AS_ERROR FAIL_ON_WARNINGS)

doxygen_add_docs(
  docs README.md CHANGELOG.md ${acs_public_headers} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
  COMMENT "Writing the reference: html/index.html"
)
# It passes over a namespace without documentation, with all that is in it, and says nothing.
add_custom_command(
  TARGET docs POST_BUILD
  COMMAND test -f "${PROJECT_BINARY_DIR}/html/namespaceasio__cancel__scope.html"
  VERBATIM
)
