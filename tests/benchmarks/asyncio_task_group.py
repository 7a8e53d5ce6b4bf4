#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lines of the benchmarks that asyncio.TaskGroup can do; prints what they took as JSON.

    asyncio_task_group.py [--quick]

In a process of its own and of the standard library only. Python 3.11 or later.
"""

import asyncio
import json
import sys
import time


async def hop():
    await asyncio.sleep(0)


async def trivial():
    pass


async def asleep():
    await asyncio.get_running_loop().create_future()


async def hops(n):
    async with asyncio.TaskGroup() as group:
        for _ in range(n):
            group.create_task(hop())


async def cancels(n):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asleep()) for _ in range(n)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()


async def steady(n):
    async with asyncio.TaskGroup() as group:
        for _ in range(n):
            group.create_task(hop())
            await asyncio.sleep(0)


async def empty(_):
    async with asyncio.TaskGroup():
        pass


async def two(_):
    async with asyncio.TaskGroup() as group:
        group.create_task(trivial())
        group.create_task(trivial())


async def race(_):
    tasks = [asyncio.ensure_future(hop()), asyncio.ensure_future(asleep())]
    _, losers = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in losers:
        task.cancel()
    await asyncio.wait(losers)


async def timeout(_):
    async with asyncio.timeout(3600):
        await hop()


async def depth(n):
    if n:
        async with asyncio.TaskGroup():
            await depth(n - 1)


LINES = [
    ("hop", hops, [1, 10, 1000, 10000, 100000, 1000000]),
    ("cancel", cancels, [1, 10, 1000, 10000, 100000, 1000000]),
    ("steady", steady, [10000]),
    ("empty", empty, [1]),
    ("two", two, [2]),
    ("race", race, [2]),
    ("timeout", timeout, [1]),
    ("depth", depth, [1, 10]),
]


async def measure(work, n, seconds, repetitions):
    """Nanoseconds a child, once for each repetition."""
    await work(n)
    results = []
    for _ in range(repetitions):
        rounds = 0
        start = time.process_time_ns()
        spent = 0
        while spent < seconds * 1e9:
            await work(n)
            rounds += 1
            spent = time.process_time_ns() - start
        results.append(spent / rounds / n)
    return results


def main():
    quick = sys.argv[1:] == ["--quick"]
    if sys.argv[1:] and not quick:
        sys.exit(__doc__)
    if not hasattr(asyncio, "TaskGroup"):
        sys.exit("asyncio.TaskGroup needs Python 3.11 or later")
    seconds, repetitions, largest = (0.02, 3, 1000) if quick else (0.1, 7, 1000000)
    results = []
    for line, work, sizes in LINES:
        for n in sizes:
            if n <= largest:
                times = asyncio.run(measure(work, n, seconds, 3 if n > 100000 else repetitions))
                results.append({"line": line, "n": n, "candidate": "asyncio", "times": times})
    json.dump({"python": sys.version.split()[0], "results": results}, sys.stdout, indent=1)


main()
