# SPDX-License-Identifier: MIT
# For sed -E: what Doxygen is shown of a source.

# The inline namespace of the backend is nothing that a user writes.
s/::inline ASIO_CANCEL_SCOPE_BACKEND//

# The marks of a region, //[name and //], as Doxygen has them.
/^ *\/\/\[/ {
  s/^ *\/\/\[(.*)$/\/\/! [\1]/
  h
}
/^ *\/\/\]/ g
