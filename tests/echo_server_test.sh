#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# echo_server_test.sh SERVER
#
# Drives the echo server from outside: with nc and socat as its clients (one of them is enough),
# with signals, with wrong options, and with too few descriptors. Exit status 77: no client here.
set -uo pipefail
export LC_ALL=C

server=$1
dir=$(mktemp -d)
started=()

cleanup() {
  local pid
  for pid in "${started[@]}"; do kill -KILL "$pid"; done 2>/dev/null
  rm -rf "$dir"
}
trap cleanup EXIT

fail() {
  printf 'FAILED: %s\n' "$*"
  head -n 20 "$dir"/*.out "$dir"/*.err
  exit 1
} 2>/dev/null

# within WHAT COMMAND...: the command succeeds before half a minute has passed.
within() {
  local what=$1
  shift
  for _ in $(seq 600); do
    "$@" && return 0
    sleep 0.05
  done
  fail "waited in vain: $what"
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }
says() { grep -q "$2" "$1" 2>/dev/null; }

# start NAME OPTION...: sets server_pid and port.
start() {
  local name=$1
  shift
  "$server" --port 0 "$@" >"$dir/$name.out" 2>"$dir/$name.err" &
  server_pid=$!
  started+=("$server_pid")
  within "the server listens" says "$dir/$name.out" '^listening on port [0-9]'
  port=$(sed -n 's/^listening on port //p' "$dir/$name.out")
}

# stop SIGNAL NAME: it ends with status 0.
stop() {
  local status=0
  kill "-$1" "$server_pid"
  within "the server ends by SIG$1" is_gone "$server_pid"
  wait "$server_pid" || status=$?
  [ "$status" -eq 0 ] || fail "$2: SIG$1 ended the server with status $status"
}

has_nc() { command -v nc >/dev/null && nc -h 2>&1 | grep -q OpenBSD; }
has_socat() { command -v socat >/dev/null; }

# What comes in on its standard input it sends, ends the sending, and prints what comes back.
talk() {
  case $tool in
    nc) nc -N 127.0.0.1 "$port" ;;
    socat) socat -t 30 - "TCP:127.0.0.1:$port" ;;
  esac
}

# The same, but it keeps the connection open, and ends when the server closes it.
talk_and_stay() {
  case $tool in
    nc) exec nc 127.0.0.1 "$port" ;;
    socat) exec socat -t 3600 - "TCP:127.0.0.1:$port,shut-none" ;;
  esac
}

test_echo_and_interrupt() {
  local name=$tool-interrupt client
  start "$name" --threads 2
  [ "$(printf 'hello\nworld\n' | talk)" = $'hello\nworld' ] || fail "$name: no echo"
  head -c 3000000 /dev/urandom >"$dir/sent"
  talk <"$dir/sent" >"$dir/back"
  cmp "$dir/sent" "$dir/back" || fail "$name: other bytes came back"

  printf 'still here\n' >"$dir/line"
  talk_and_stay <"$dir/line" >"$dir/$name.client.out" 2>"$dir/$name.client.err" &
  client=$!
  started+=("$client")
  within "the client that stays has its echo" says "$dir/$name.client.out" '^still here$'
  is_gone "$client" && fail "$name: the connection did not stay open"

  stop INT "$name"
  within "the client sees the end" is_gone "$client"
  says "$dir/$name.out" '^served 3 connections: 2 finished, 1 cut$' || fail "$name: wrong counts"
}

# That the server does not end, does not spin, and accepts again, when descriptors run out.
test_too_few_descriptors() {
  local name=$tool-descriptors clients=() before after pid limit
  # This sanitizer needs a descriptor to look into an object: without one it takes any for wrong.
  if grep -q __ubsan_handle_dynamic_type_cache_miss "$server"; then
    echo "$name: left out, the server is built with -fsanitize=vptr"
    return
  fi
  limit=$(ulimit -Sn)
  ulimit -Sn 20
  start "$name"
  ulimit -Sn "$limit"
  for _ in $(seq 20); do
    talk_and_stay </dev/null >/dev/null 2>&1 &
    clients+=("$!")
    started+=("$!")
  done
  within "descriptors run out" says "$dir/$name.err" '^cannot accept for now: Too many open files$'

  if [ -r "/proc/$server_pid/stat" ]; then
    before=$(cut -d ' ' -f 14,15 "/proc/$server_pid/stat")
    sleep 1
    after=$(cut -d ' ' -f 14,15 "/proc/$server_pid/stat")
    local ticks=$((${after/ /+} - (${before/ /+})))
    [ "$ticks" -lt $(($(getconf CLK_TCK) / 4)) ] || fail "$name: the server spins: $ticks ticks"
  fi

  for pid in "${clients[@]}"; do kill "$pid" 2>/dev/null; done
  [ "$(printf 'room again\n' | talk)" = 'room again' ] || fail "$name: it does not accept again"
  stop TERM "$name"
  sed -nE 's/^served ([0-9]+) connections: ([0-9]+) finished, ([0-9]+) cut$/\1 \2 \3/p' \
    "$dir/$name.out" >"$dir/counts"
  local served=0 finished=0 cut=0
  read -r served finished cut <"$dir/counts"
  if [ "$served" -lt 2 ] || [ "$served" -ne $((finished + cut)) ]; then
    fail "$name: wrong counts"
  fi
}

test_terminate_without_clients() {
  start terminate
  stop TERM terminate
  says "$dir/terminate.out" '^served 0 connections: 0 finished, 0 cut$' ||
    fail "terminate: wrong counts"
}

# refused STATUS PATTERN OPTION...: ends with the status and a message on standard error.
refused() {
  local expected=$1 pattern=$2 status=0
  shift 2
  timeout 30 "$server" "$@" >"$dir/refused.out" 2>"$dir/refused.err" || status=$?
  [ "$status" -eq "$expected" ] || fail "'$*' ended with status $status, not $expected"
  says "$dir/refused.err" "$pattern" || fail "'$*' does not say: $pattern"
  [ ! -s "$dir/refused.out" ] || fail "'$*' prints on standard output"
}

test_options() {
  refused 2 "there is no option '--prot'" --prot 7
  refused 2 "there is no option 'extra'" --port 0 extra
  refused 2 "port takes a number, and none is given" --port
  refused 2 "port takes a number from 0 to 65535, not '65536'" --port 65536
  refused 2 "port takes a number from 0 to 65535, not '-1'" --port -1
  refused 2 "port takes a number from 0 to 65535, not '80x'" --port 80x
  refused 2 "port takes a number from 0 to 65535, not ''" --port ''
  refused 2 "threads takes a number from 1 to 64, not '0'" --threads 0
  refused 2 "self-test takes a number from 1 to 400, not 'many'" --self-test many
  "$server" --help >"$dir/help.out" || fail "--help ended with status $?"
  says "$dir/help.out" '^usage: echo_server' || fail "--help does not show the usage"
}

test_port_in_use() {
  start first
  refused 1 "cannot listen on port $port: Address already in use" --port "$port"
  stop TERM first
}

test_options
test_terminate_without_clients
test_port_in_use
tools=()
has_nc && tools+=(nc)
has_socat && tools+=(socat)
if [ ${#tools[@]} -eq 0 ]; then
  echo "neither OpenBSD's nc nor socat is here: nothing was sent"
  exit 77
fi
for tool in "${tools[@]}"; do
  test_echo_and_interrupt
  test_too_few_descriptors
done
echo "good, with ${tools[*]}"
