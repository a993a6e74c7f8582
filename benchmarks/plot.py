"""Two pictures from the lines of JSON: `python -m benchmarks.plot RESULTS [FOLDER]`; the folder is
`docs` by default.

`performance-cpu.svg` has the processor time of each request, `performance-throughput.svg` the
requests per second by concurrency. The axis of the first is logarithmic: between nginx and the
slowest peer lie three powers of ten.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from benchmarks.measure import Result
from benchmarks.table import value

WORKLOADS: Final = (
    "small-chat@16",
    "small-anthropic@16",
    "burst-chat@16",
    "burst-anthropic@16",
    "fallback-chat@16",
)
COLOURS: Final = {
    "gateway": "#2563eb",
    "nginx": "#6b7280",
    "litellm": "#d97706",
    "portkey": "#9333ea",
}
WIDTH, BAR, LEFT, RIGHT = 760, 18, 240, 90
PLOT_HEIGHT = 260

Groups = dict[tuple[str, str], list[Result]]


def main(arguments: Sequence[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    groups = _groups(Path(arguments[0]).read_text().splitlines())
    folder = Path(arguments[1] if len(arguments) == 2 else "docs")
    for name, picture in (("cpu", cpu_picture(groups)), ("throughput", throughput_picture(groups))):
        file = folder / f"performance-{name}.svg"
        file.write_text(picture)
        print(file)
    return 0


def cpu_picture(groups: Groups) -> str:
    """A bar for each target and workload."""
    bars = [
        (workload, target, cost)
        for workload in WORKLOADS
        for (each, target), rows in groups.items()
        if each == workload and (cost := value(rows, "cpu_us_per_request"))
    ]
    if not bars:
        return _svg(40, [_text(10, 25, "no results")])
    most, least = max(cost for *_, cost in bars), min(cost for *_, cost in bars) / 2
    parts = [_text(10, 20, "Processor time of a request (logarithmic; less is better)", size=14)]
    y, shown = 40, ""
    for workload, target, cost in bars:
        if workload != shown:
            y, shown = y + 10, workload
            parts.append(_text(10, y + 13, workload))
        length = (WIDTH - LEFT - RIGHT) * math.log(cost / least) / math.log(most / least)
        parts.append(_text(LEFT - 8, y + 13, target, anchor="end"))
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 4}" '
            f'fill="{_colour(target)}"/>'
        )
        parts.append(_text(LEFT + length + 6, y + 12, f"{cost:,.0f} µs"))
        y += BAR
    return _svg(y + 15, parts)


def throughput_picture(groups: Groups) -> str:
    """A line for each target: requests per second by concurrency, of `small-chat`."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for (workload, target), rows in groups.items():
        kind, _, count = workload.partition("@")
        rate = value(rows, "requests_per_s")
        if kind == "small-chat" and rate and target != "direct":
            lines.setdefault(target, []).append((int(count), rate))
    if not lines:
        return _svg(40, [_text(10, 25, "no results")])
    most = max(rate for points in lines.values() for _, rate in points)
    counts = sorted({count for points in lines.values() for count, _ in points})
    parts = [_text(10, 20, "Requests per second by concurrency, one core (small-chat)", size=14)]
    parts += [
        _text(_x(count, counts), PLOT_HEIGHT + 60, str(count), anchor="middle") for count in counts
    ]
    for target, points in lines.items():
        places = [
            (_x(count, counts), 40 + PLOT_HEIGHT * (1 - rate / most))
            for count, rate in sorted(points)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{_colour(target)}" stroke-width="2"/>'
        )
        x, y = places[-1]
        parts.append(_text(x + 8, y + 4, f"{target} {dict(points)[max(dict(points))]:,.0f}"))
    return _svg(PLOT_HEIGHT + 75, parts)


def _x(count: int, counts: Sequence[int]) -> float:
    span = WIDTH - 60 - 180
    return 60 + (span * counts.index(count) / (len(counts) - 1) if len(counts) > 1 else 0)


def _groups(lines: Sequence[str]) -> Groups:
    groups: Groups = {}
    for line in lines:
        result = json.loads(line)
        if "workload" in result and "failed" not in result:
            groups.setdefault((result["workload"], result["target"]), []).append(result)
    return groups


def _colour(target: str) -> str:
    return COLOURS.get(target, "#0d9488")


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _svg(height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 '
        f'{WIDTH} {height}" font-family="sans-serif">'
    )
    return "\n".join(
        [head, f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *parts, "</svg>", ""]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
