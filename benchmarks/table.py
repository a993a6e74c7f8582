"""The results for people: medians, their spread, and how many times nginx."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

from benchmarks.measure import Result

BASELINE: Final = "nginx"
_BUSY: Final = 0.9


def render(results: Sequence[Result]) -> str:
    """Everything that is worth a look, as lines of text."""
    measured = [result for result in results if "failed" not in result]
    parts = [
        _grid(_LOAD_HEAD, [_load_row(rows) for rows in _groups(measured, "requests_per_s")]),
        _grid(_IDLE_HEAD, [_idle_row(rows) for rows in _groups(measured, "kb_per_stream")]),
        _grid(_START_HEAD, [_start_row(rows) for rows in _groups(measured, "ready_s")]),
        "\n".join(_added(measured) + _scaling(measured)),
        "\n".join(warnings(results)),
    ]
    return "\n\n".join(part for part in parts if part)


def warnings(results: Iterable[Result]) -> list[str]:
    """What makes a figure doubtful, each once."""
    found: dict[str, None] = {}
    for result in results:
        name = f"{result['workload']} {result['target']}"
        if "failed" in result:
            found[f"not measured: {name}: {result['failed']}"] = None
        if result.get("errors"):
            status = (
                f", first status {result['first_bad_status']}"
                if result.get("first_bad_status")
                else ""
            )
            found[f"WRONG: {name}: {result['errors']} errors{status}"] = None
        if (
            result.get("helpers_busy", 0) > _BUSY > result["target_busy"]
            and result["target"] != "direct"
        ):
            found[f"bound by mock and load generator, so requests/s is too low: {name}"] = None
    return list(found)


def paired(rows: Sequence[Result], baseline: Sequence[Result], key: str) -> list[float]:
    """The ratio in each round, so that what slows both for a while does not count."""
    base = {row["repeat"]: row[key] for row in baseline if row.get(key)}
    return [
        row[key] / base[row["repeat"]] for row in rows if row.get(key) and row["repeat"] in base
    ]


def value(rows: Sequence[Result], *keys: str) -> float | None:
    """The median of a key, or of a key inside a key."""
    found = [number for row in rows if (number := _inside(row, keys)) is not None]
    return median(found) if found else None


def _inside(row: Result, keys: Sequence[str]) -> float | None:
    each: Any = row
    for key in keys:
        each = each.get(key) if isinstance(each, dict) else None
    return None if each is None else float(each)


_Group = tuple[list[Result], list[Result]]
"""The rows of one target, and those of nginx, for one workload."""


def _groups(results: Sequence[Result], key: str) -> list[_Group]:
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if key in result:
            groups.setdefault((result["workload"], result["target"]), []).append(result)
    order = {
        workload: place for place, workload in enumerate(dict.fromkeys(name for name, _ in groups))
    }
    ordered = sorted(groups, key=lambda each: order[each[0]])
    return [(groups[each], groups.get((each[0], BASELINE), [])) for each in ordered]


_LOAD_HEAD = (
    *("WORKLOAD", "TARGET", "CPU/REQUEST", "SPREAD", "÷ NGINX", "CPU/PIECE", "REQUESTS/S", "BUSY"),
    *("P50", "P90", "P99", "FIRST EVENT", "EVENT DELAY P50", "P99", "MEMORY"),
)


def _load_row(group: _Group) -> tuple[str, ...]:
    rows, _ = group
    cost = "cpu_us_per_request"
    return (
        rows[0]["workload"],
        rows[0]["target"],
        _us(value(rows, cost)),
        _spread(rows, cost),
        _ratio(group, cost),
        _us(value(rows, "cpu_us_per_piece")),
        _number(value(rows, "requests_per_s"), "{:,.0f}"),
        _number(value(rows, "target_busy"), "{:.0%}") if rows[0]["target"] != "direct" else "",
        *(_ms(value(rows, "latency_us", quantile)) for quantile in ("p50", "p90", "p99")),
        _ms(value(rows, "first_event_us", "p50")),
        *(_ms(value(rows, "event_delay_us", quantile)) for quantile in ("p50", "p99")),
        _mb(value(rows, "rss_mb")),
    )


_IDLE_HEAD = (
    "OPEN STREAMS",
    "TARGET",
    "HELD",
    "MEMORY",
    "MORE",
    "PER STREAM",
    "CPU",
    "FIRST EVENT",
    "P99",
)


def _idle_row(group: _Group) -> tuple[str, ...]:
    rows, _ = group
    after, before = value(rows, "rss_mb"), value(rows, "rss_before_mb")
    return (
        rows[0]["workload"],
        rows[0]["target"],
        _number(value(rows, "held"), "{:,.0f}"),
        _mb(after),
        _mb(after - before if after is not None and before is not None else None),
        _number(value(rows, "kb_per_stream"), "{:.1f} kB"),
        _number(value(rows, "cpu_percent"), "{:.2f} %"),
        _ms(value(rows, "first_event_us", "p50")),
        _ms(value(rows, "first_event_us", "p99")),
    )


_START_HEAD = ("START", "TARGET", "READY AFTER", "SPREAD", "IDLE MEMORY")


def _start_row(group: _Group) -> tuple[str, ...]:
    rows, _ = group
    return (
        rows[0]["workload"],
        rows[0]["target"],
        _number(value(rows, "ready_s"), "{:.3f} s"),
        _spread(rows, "ready_s", "{:.2f}"),
        _mb(value(rows, "rss_mb")),
    )


def _added(results: Sequence[Result]) -> list[str]:
    """Latency against the mock without anything between, where both were measured."""
    lines = []
    for rows, _ in _groups(results, "latency_us"):
        workload, target = rows[0]["workload"], rows[0]["target"]
        direct = [
            each for each in results if each["workload"] == workload and each["target"] == "direct"
        ]
        if target == "direct" or not direct or not workload.endswith("@1"):
            continue
        p50, p99 = (
            (value(rows, "latency_us", q) or 0) - (value(direct, "latency_us", q) or 0)
            for q in ("p50", "p99")
        )
        lines.append(f"added latency, {workload}, {target}: p50 {_ms(p50)}, p99 {_ms(p99)}")
    return lines


def _scaling(results: Sequence[Result]) -> list[str]:
    """Throughput at 256 beside that at 16, and with two workers beside that with one."""
    rates = {
        (rows[0]["workload"], rows[0]["target"]): value(rows, "requests_per_s")
        for rows, _ in _groups(results, "requests_per_s")
    }
    lines = []
    for (workload, target), rate in rates.items():
        kind, _, count = workload.partition("@")
        at_16 = rates.get((f"{kind}@16", target))
        if (
            count == "256"
            and rate
            and at_16
            and target != "direct"
            and not kind.startswith("paced")
        ):
            lines.append(f"throughput at 256 ÷ at 16, {kind}, {target}: {rate / at_16:.2f}")
        one = rates.get((workload, "gateway"))
        if target == "gateway-2-workers" and rate and one:
            lines.append(f"two workers ÷ one, {workload}: {rate / one:.2f}")
    return lines


def _ratio(group: _Group, key: str) -> str:
    rows, baseline = group
    ratios = paired(rows, baseline, key)
    if not ratios or rows is baseline:
        return ""
    return f"{median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f})"


def _spread(rows: Sequence[Result], key: str, form: str = "{:.0f}") -> str:
    found = [row[key] for row in rows if row.get(key) is not None]
    return f"{form.format(min(found))}–{form.format(max(found))}" if len(found) > 1 else ""


def _number(number: float | None, form: str) -> str:
    return "" if number is None else form.format(number)


def _us(number: float | None) -> str:
    return _number(number, "{:.1f} µs")


def _ms(number_us: float | None) -> str:
    return "" if number_us is None else f"{number_us / 1000:.3f} ms"


def _mb(number: float | None) -> str:
    return _number(number, "{:.1f} MB")


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns in line: text to the left, numbers to the right; a column that is empty in every row
    is left out."""
    if not rows:
        return ""
    kept = [place for place in range(len(head)) if any(row[place] for row in rows)]
    cells = [[row[place] for place in kept] for row in (head, *rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(kept))]
    lines = (
        "  ".join(_aligned(*each) for each in zip(row, widths, kept, strict=True)) for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 2 else cell.rjust(width)
