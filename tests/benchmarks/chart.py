# SPDX-License-Identifier: MIT
"""Draws the results as SVG: what the library costs beside its base, and how costs grow."""

import math
from xml.sax.saxutils import escape

WIDTH = 860
TEXT = "#24292f"
FAINT = "#8c959f"
GRID = "#d8dee4"
BAR = "#0969da"
GOAL = "#bc4c00"

# Line and candidate, with the words for both and for the base.
BARS = [
    ("hop", "library", "spawn, hop, finish", "hand-written"),
    ("hop", "object", "the same, scope as an object", "hand-written"),
    ("steady", "library", "the same in a long-lived scope", "hand-written"),
    ("cancel", "library", "sleep, cancel, finish", "hand-written"),
    ("empty", "library", "empty scope", "awaited co_spawn"),
    ("two", "library", "scope with two children", "a && b"),
    ("two", "gather", "gather(a, b)", "a && b"),
    ("race", "race", "race(a, b), b asleep", "a || b"),
    ("race_at_once", "race", "race(a, b), both at once", "a || b"),
    ("timeout", "move_on_after", "move_on_after(limit, a)", "a || timer"),
]

CURVES = [
    ("library", "this library", "#0969da"),
    ("yardstick", "hand-written", "#24292f"),
    ("task_group", "Beast-like task group", "#8250df"),
    ("parallel_group", "parallel_group", "#1a7f37"),
    ("detached", "co_spawn, detached", "#8c959f"),
    ("asyncio", "asyncio.TaskGroup", "#bc4c00"),
]


class Svg:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, anchor="start", size=12, fill=TEXT, weight="normal"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{fill}" font-weight="{weight}">{escape(words)}</text>'
        )

    def line(self, x1, y1, x2, y2, stroke=GRID, width=1.0):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
            f'stroke-width="{width}"/>'
        )

    def box(self, x, y, width, height, fill):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{fill}"/>'
        )

    def curve(self, points, stroke):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="2"/>'
        )
        for x, y in points:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{stroke}"/>')

    def done(self, height):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" font-family="sans-serif">'
        )
        background = f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
        return "\n".join([head, background, *self.parts, "</svg>"]) + "\n"


def representative(results, line, candidate):
    """Of several numbers of children, the one nearest to 1000."""
    rows = [r for r in results.rows.values() if (r.line, r.candidate) == (line, candidate)]
    rows = [r for r in rows if r.ratio is not None]
    return min(rows, key=lambda r: abs(math.log10(r.n) - 3), default=None)


def draw_bars(svg, results, top):
    left, right = 340, WIDTH - 60
    rows = [(representative(results, b[0], b[1]), b) for b in BARS]
    rows = [(row, b) for row, b in rows if row]
    if not rows:
        return top
    largest = max(1.25, *(max(row.ratio, row.goal or 0) for row, _ in rows)) * 1.05

    def x_of(ratio):
        return left + (right - left) * ratio / largest

    svg.text(20, top + 4, "Time beside what people would write instead", size=15, weight="bold")
    top += 28
    bottom = top + 26 * len(rows)
    step = 0.25 if largest < 3 else 0.5
    tick = 0.0
    while tick <= largest:
        svg.line(x_of(tick), top, x_of(tick), bottom, FAINT if tick == 1 else GRID)
        svg.text(x_of(tick), bottom + 15, f"{tick:g}", "middle", 11, FAINT)
        tick += step
    for at, (row, (_, _, words, base)) in enumerate(rows):
        y = top + 26 * at
        svg.text(left - 10, y + 12, words, "end")
        svg.text(left - 10, y + 23, f"beside {base}", "end", 9.5, FAINT)
        svg.box(left, y + 5, x_of(row.ratio) - left, 15, BAR)
        svg.text(x_of(row.ratio) + 5, y + 17, f"{row.ratio:.2f}", size=11)
    return bottom + 40


def draw_growth(svg, results, top, line, title):
    left, right, height = 70, WIDTH - 190, 230
    curves = []
    for candidate, words, colour in CURVES:
        rows = [r for r in results.rows.values() if (r.line, r.candidate) == (line, candidate)]
        points = sorted((row.n, row.time) for row in rows)
        if len(points) > 1:
            curves.append((points, words, colour))
    if not curves:
        return top
    svg.text(20, top + 4, title, size=15, weight="bold")
    top += 24
    counts = [n for points, _, _ in curves for n, _ in points]
    times = [t for points, _, _ in curves for _, t in points]
    last = max(math.log10(max(counts)), 1)
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))

    def place(n, time):
        x = left + (right - left) * math.log10(n) / last
        y = top + height * (high - math.log10(time)) / (high - low)
        return x, y

    for power in range(low, high + 1):
        _, y = place(1, 10**power)
        svg.line(left, y, right, y)
        label = f"{10 ** (power - 3):g} µs" if power >= 3 else f"{10 ** power:g} ns"
        svg.text(left - 8, y + 4, label, "end", 11, FAINT)
    for power in range(int(last) + 1):
        x, _ = place(10**power, 1)
        svg.line(x, top, x, top + height)
        svg.text(x, top + height + 16, f"{10 ** power:,}".replace(",", " "), "middle", 11, FAINT)
    labels = []
    for points, words, colour in curves:
        svg.curve([place(n, t) for n, t in points], colour)
        labels.append([place(*points[-1])[1] + 4, words, colour])
    labels.sort(key=lambda label: label[0])
    for before, after in zip(labels, labels[1:]):
        after[0] = max(after[0], before[0] + 14)
    for y, words, colour in labels:
        svg.text(right + 12, y, words, size=12, fill=colour)
    svg.text((left + right) / 2, top + height + 32, "children", "middle", 11, FAINT)
    return top + height + 60


def draw(results, context):
    svg = Svg()
    y = draw_bars(svg, results, 30)
    y = draw_growth(svg, results, y, "hop", "Time for each child: spawn, hop, finish")
    y = draw_growth(svg, results, y, "cancel", "Time for each child: sleep, cancel, finish")
    svg.text(20, y, context, size=11, fill=FAINT)
    return svg.done(y + 20)
