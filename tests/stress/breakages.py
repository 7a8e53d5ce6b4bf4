#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/stress/breakages.py [NAME...]

Shows that the programs of this folder, and the tests of interleavings, notice it when the library is
broken: breaks a copy of it in one way after the other, builds the program that is to notice, and
runs it. Answers 0 if every breakage, or each of those named, was noticed. Builds in build/breakages.
It needs what tests/run has installed.
"""

import os
import re
import resource
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
COPY = os.path.join(ROOT, "build", "breakages", "source")
BUILD = os.path.join(ROOT, "build", "breakages", "build")
DETAIL = "include/asio_cancel_scope/detail/"

SECONDS = 100  # for a program that hangs
MEMORY = 4 << 30  # for one that keeps what it should not

# A line that says what a program has noticed.
TELLING = r"fails: |FAILED|are left|when \d+ fail after|^round \d|NOT SO"

# What is run, by the name of who is to notice.
PROGRAMS = {
    "programs": ("tests/stress/acs_stress_programs", "--steps", "3000000"),
    "corpus": ("tests/stress/acs_stress_programs", "--replay", os.path.join(HERE, "corpus")),
    "shutdown": ("tests/stress/acs_stress_shutdown",),
    "allocations": ("tests/stress/acs_stress_allocations",),
    "threads": ("tests/stress/acs_stress_threads", "--seconds", "10"),
    "scale": ("tests/stress/acs_stress_scale", "--short"),
    "interleavings": ("tests/acs_interleavings_test",),
}

# A child is not asked about when it is about to start.
STARTS_UNASKED = [
    ("  if (is_told(child))\n    never_start(child);", "  if (false)\n    never_start(child);"),
    ("  if (is_told(child)) {\n    child.ending", "  if (false) {\n    child.ending"),
]

# Name, who is to notice, and where which text becomes which.
BREAKAGES = [
    (
        "children-start-after-cancel",
        "programs",
        "scope_starting.hpp",
        STARTS_UNASKED,
    ),
    (
        "weaker-request-replaces-stronger",
        "programs",
        "scope_cancelling.hpp",
        [("  if (stronger(type, before)) {", "  if (type != before) {")],
    ),
    (
        "outer-cancellation-is-lost",
        "programs",
        "scope_leaving.hpp",
        [("lost_ || (outer_requested_ && cut_short_)", "lost_")],
    ),
    (
        "error-is-taken-for-cancellation",
        "programs",
        "scope_starting.hpp",
        [("is_told(child) && is_cancellation()(e) ?", "is_told(child) ?")],
    ),
    (
        "only-one-child-is-told",
        "corpus",
        "scope_cancelling.hpp",
        [("      while (auto const child = self->next", "      if (auto const child = self->next")],
    ),
    (
        "destroyed-child-still-counts",
        "shutdown",
        "coroutine_record.hpp",
        [
            (
                "    else\n      child_->scope->lose(*child_);\n  }\n\n  [[nodiscard]] cancellation_slot",
                "  }\n\n  [[nodiscard]] cancellation_slot",
            )
        ],
    ),
    (
        "queue-is-forgotten-with-its-context",
        "shutdown",
        "scope_state.hpp",
        [("{ scope_->lose_queued(); }", "{}")],
    ),
    (
        "failed-spawn-still-counts",
        "allocations",
        "scope_starting.hpp",
        [("      withdrawn = withdraw(child);\n      admits", "      admits")],
    ),
    (
        "join-is-dropped-without-memory",
        "allocations",
        "waiter.hpp",
        [("case posting::failed: return run();", "case posting::failed: return drop();")],
    ),
    (
        "children-retire-without-the-lock",
        "threads",
        "scope_leaving.hpp",
        [
            (
                "    std::lock_guard const lock(mutex_);\n    self = child.let_go();\n    child.unlink();",
                "    self = child.let_go();\n    child.unlink();",
            )
        ],
    ),
    (
        "children-spawned-during-a-start-are-forgotten",
        "threads",
        "scope_starting.hpp",
        [("    draining_ = !queue_.empty();", "    draining_ = false;")],
    ),
    (
        "bodies-nest-without-limit",
        "scale",
        "nesting.hpp",
        [("return depth_ >= limit;", "return false;")],
    ),
    (
        "finished-children-are-kept",
        "scale",
        "scope_leaving.hpp",
        [("    self = child.let_go();\n    child.unlink();", "    self = child.if_kept();\n    child.unlink();")],
    ),
    (
        "withdrawn-child-is-started",
        "interleavings",
        "scope_state.hpp",
        [
            (
                "      if (child->scope->is_live(*child)) child->scope->start(*child);",
                "      child->scope->start(*child);",
            )
        ],
    ),
    (
        "posted-child-starts-after-cancel",
        "interleavings",
        "scope_starting.hpp",
        STARTS_UNASKED,
    ),
    (
        "request-is-sent-twice",
        "programs",
        "scope_cancelling.hpp",
        [("  if (!stronger(type, child.sent)) return;\n", "")],
    ),
    (
        "wait-is-withdrawn-after-its-end",
        "interleavings",
        "scope_starting.hpp",
        [("if (!child.is_kept() || child.enrolled) return false;", "if (!child.is_kept()) return false;")],
    ),
]


def build(target):
    result = subprocess.run(
        ["cmake", "--build", BUILD, "--target", target],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode != 0:
        sys.exit(f"{target} cannot be built:\n{result.stdout}")


def run(program):
    """How the program ended, and the line that says why."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    path, *arguments = program
    try:
        result = subprocess.run(
            [os.path.join(BUILD, path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SECONDS,
            preexec_fn=limit,
        )
    except subprocess.TimeoutExpired:
        return "hangs", ""
    if result.returncode == 0:
        return "", ""
    ending = f"signal {-result.returncode}" if result.returncode < 0 else f"exit {result.returncode}"
    telling = [l for l in result.stdout.splitlines() if re.search(TELLING, l)]
    return ending, telling[0].strip() if telling else ""


def main():
    wanted = sys.argv[1:]
    if wanted and wanted[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    chosen = [b for b in BREAKAGES if not wanted or b[0] in wanted]
    if len(chosen) < len(wanted):
        sys.exit("error: there is no such breakage; there are: " + ", ".join(b[0] for b in BREAKAGES))

    os.makedirs(COPY, exist_ok=True)
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    for name in files:
        target = os.path.join(COPY, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(ROOT, name), target)
    subprocess.run(
        ["cmake", "-S", COPY, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
        + ["-DASIO_CANCEL_SCOPE_BUILD_STRESS=ON", "-DASIO_CANCEL_SCOPE_TEST_STATIC=OFF"]
        + ["-DASIO_CANCEL_SCOPE_TEST_REFUSED=OFF", "-DASIO_CANCEL_SCOPE_BUILD_EXAMPLES=OFF"],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )

    unnoticed = 0
    for name, notices, file, edits in chosen:
        path = os.path.join(COPY, DETAIL, file)
        with open(path, encoding="utf-8") as stream:
            whole = stream.read()
        broken = whole
        for text, by in edits:
            if broken.count(text) != 1:
                sys.exit(f"{name} does not fit {file} any more")
            broken = broken.replace(text, by)
        try:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(broken)
            program = PROGRAMS[notices]
            build(os.path.basename(program[0]))
            ending, why = run(program)
        finally:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(whole)
        unnoticed += not ending
        print(f"{name:<46} {notices:<14} {ending or 'NOT NOTICED':<11} {why[:120]}", flush=True)
    print(f"{len(chosen)} breakages, {unnoticed} not noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
