#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads what the benchmarks have written; prints a table, and writes results.json and chart.svg.

    report.py RAW-FOLDER OUT-FOLDER
"""

import collections
import json
import pathlib
import re
import statistics
import sys

import chart

# What each line is compared with.
BASES = {
    "hop": "yardstick",
    "cancel": "yardstick",
    "steady": "yardstick",
    "empty": "co_spawn",
    "two": "operators",
    "race": "operators",
    "race_at_once": "operators",
    "timeout": "operators",
    "depth": "co_spawn",
    "thread_spawn": "yardstick",
    "thread_cancel": "yardstick",
    "strands": "yardstick",
}

# The ratio to that which is aimed at.
GOALS = {
    ("hop", "library"): 0.95,
    ("hop", "object"): 0.95,
    ("steady", "library"): 0.95,
    ("cancel", "library"): 1.00,
    ("cancel", "object"): 1.00,
    ("empty", "library"): 1.20,
    ("two", "library"): 1.20,
    ("two", "gather"): 1.00,
    ("race", "race"): 0.80,
    ("race_at_once", "race"): 0.80,
    ("timeout", "move_on_after"): 0.60,
}

OWN = "-own"  # ends the name of a candidate that uses the context's own executor type


class Row:
    def __init__(self, line, n, candidate):
        self.line = line
        self.n = n
        self.candidate = candidate
        self.times = []  # nanoseconds a child, one for each repetition
        self.allocations = None
        self.bytes = None
        self.instructions = None
        self.ratio = None

    @property
    def time(self):
        return statistics.median(self.times)

    @property
    def spread(self):
        """Half of the range in which the middle half of the repetitions lies, of the median."""
        if len(self.times) < 3:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4)
        return (high - low) / 2 / self.time

    @property
    def plain(self):
        return self.candidate.removesuffix(OWN)

    @property
    def base(self):
        return BASES[self.line] + (OWN if self.candidate.endswith(OWN) else "")

    @property
    def goal(self):
        return GOALS.get((self.line, self.plain))

    def as_json(self):
        return {
            "line": self.line,
            "children": self.n,
            "candidate": self.candidate,
            "nanoseconds_per_child": round(self.time, 2),
            "spread": round(self.spread, 4),
            "ratio": self.ratio and round(self.ratio, 4),
            "compared_with": self.base,
            "goal": self.goal,
            "allocations_per_child": self.allocations,
            "bytes_per_child": self.bytes,
            "instructions_per_child": self.instructions,
            "repetitions": self.times,
        }


class Results:
    def __init__(self):
        self.rows = collections.OrderedDict()
        self.context = {}

    def row(self, line, n, candidate):
        return self.rows.setdefault((line, n, candidate), Row(line, n, candidate))

    def get(self, line, n, candidate):
        return self.rows.get((line, n, candidate))

    def set_ratios(self):
        for row in self.rows.values():
            base = self.get(row.line, row.n, row.base)
            if base:
                row.ratio = row.time / base.time


NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def read_benchmark(results, text):
    data = json.loads(text)
    results.context = data["context"]
    for run in data["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        if run.get("error_occurred"):
            sys.exit(f"error: {run['name']}: {run['error_message']}")
        line, n, candidate, *rest = run["run_name"].split("/")
        time = run["real_time" if "real_time" in rest else "cpu_time"]
        row = results.row(line, int(n), candidate)
        row.times.append(time * NANOSECONDS[run["time_unit"]] / run["children"])
        row.allocations = round(run["allocations"], 3)
        row.bytes = round(run["bytes"], 1)


def read(folder):
    results = Results()
    files = [(p, re.search(r"-(\d+)\.json$", p.name)) for p in folder.glob("*.json")]
    lines = list(BASES)
    for path, match in sorted(
        files, key=lambda f: (lines.index(f[0].name[: f[1].start()]), int(f[1][1]))
    ):
        read_benchmark(results, path.read_text())
    instructions = folder / "instructions"
    if instructions.exists():
        for entry in instructions.read_text().splitlines():
            name, count = entry.split()
            line, n, candidate = name.split("/")[:3]
            row = results.get(line, int(n), candidate)
            if row:
                row.instructions = round(int(count) / int(n))
    python = folder / "asyncio"
    if python.exists():
        data = json.loads(python.read_text())
        results.context["python"] = data["python"]
        for entry in data["results"]:
            key = entry["line"], entry["n"]
            if any((row.line, row.n) == key for row in results.rows.values()):
                results.row(*key, entry["candidate"]).times = entry["times"]
    results.set_ratios()
    return results


def cell(value, form):
    return "" if value is None else format(value, form)


def print_table(results):
    counted = any(row.instructions is not None for row in results.rows.values())
    head = f"{'line':14}{'n':>8}  {'candidate':18}{'ns/child':>10}{'±':>6}{'ratio':>8}{'goal':>6}"
    head += f"  {'allocs':>7}{'bytes':>8}" + (f"{'instr':>8}" if counted else "")
    before = None
    lines = list(BASES)
    for row in sorted(
        results.rows.values(),
        key=lambda r: (lines.index(r.line), r.n, r.candidate.endswith(OWN), r.ratio or 0),
    ):
        if before != (row.line, row.n):
            print("\n" + head if before is None else "")
        before = row.line, row.n
        missed = row.goal is not None and row.ratio is not None and row.ratio > row.goal
        text = f"{row.line:14}{row.n:>8}  {row.candidate:18}{row.time:>10.1f}"
        text += f"{row.spread * 100:>5.0f}%{cell(row.ratio, '.3f'):>8}{cell(row.goal, '.2f'):>6}"
        text += "! " if missed else "  "
        text += f"{cell(row.allocations, '.2f'):>7}{cell(row.bytes, '.0f'):>8}"
        text += cell(row.instructions, ">8") if counted else ""
        print(text.rstrip())


def findings(results):
    """What is not a ratio to the base of a line: allocations, growth, asyncio."""
    found = []

    def say(what, value, goal, met):
        found.append({"what": what, "value": round(value, 3), "goal": goal, "met": met})

    for line in "hop", "cancel", "steady":
        sizes = [row.n for row in results.rows.values() if row.line == line and row.n >= 1000]
        for n in sorted(set(sizes))[:1]:
            library, yardstick = (results.get(line, n, c) for c in ("library", "yardstick"))
            if library and yardstick:
                more = library.allocations - yardstick.allocations
                say(f"{line}/{n}: allocations a child, beyond the yardstick's", more, 0, more <= 0.05)
        small, large = (results.get(line, n, "library") for n in (10000, 1000000))
        if small and large:
            growth = large.time / small.time
            say(f"{line}: time a child of 1000000, to that of 10000", growth, 1.5, growth <= 1.5)
    for row in results.rows.values():
        library = results.get(row.line, row.n, "library")
        if row.candidate == "asyncio" and library:
            faster = row.time / library.time
            say(f"{row.line}/{row.n}: times faster than asyncio", faster, 20, faster >= 20)
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    raw, out = map(pathlib.Path, sys.argv[1:])
    results = read(raw)
    if not results.rows:
        sys.exit("error: nothing has been measured")
    print_table(results)
    found = findings(results)
    print()
    for each in found:
        mark = " " if each["met"] else "!"
        print(f"{mark} {each['what']}: {each['value']:g} (goal {each['goal']})")
    context = ", ".join(
        str(results.context[key]) for key in ("asio", "compiler") if key in results.context
    )
    document = {
        "context": results.context,
        "results": [row.as_json() for row in results.rows.values()],
        "findings": found,
    }
    (out / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    (out / "chart.svg").write_text(chart.draw(results, f"{context}, -O2"))
    print(f"\n! goal missed. ± half the range of the middle half of the repetitions.\n"
          f"{context}; written: {out}/results.json, {out}/chart.svg")


if __name__ == "__main__":
    main()
