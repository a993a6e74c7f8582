"""Several processes' metrics as one page: counts are added up, states are the worst of all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LARGEST: Final = (
    "gateway_circuit_state",
    "gateway_cluster_clock_offset_seconds",
    "gateway_cluster_members",
    "gateway_cluster_up",
)
"""Metrics that every process reports for the whole gateway: the merged page has the largest
value."""


def merged(pages: Iterable[str]) -> str:
    """One page in Prometheus' text format out of several of the same kind; the order is that of the
    first."""
    values: dict[str, float | None] = {}
    for page in pages:
        for line in page.splitlines():
            if line.startswith("#"):
                values.setdefault(line, None)
                continue
            name, _, number = line.rpartition(" ")
            known = values.get(name)
            value = float(number)
            largest = name.startswith(LARGEST)
            values[name] = (
                value if known is None else max(known, value) if largest else known + value
            )
    lines = (line if value is None else f"{line} {value!r}" for line, value in _by_family(values))
    return "\n".join(lines) + "\n"


def _by_family(values: dict[str, float | None]) -> list[tuple[str, float | None]]:
    """Samples are below the `# TYPE` of their family, also those that only a later page had."""
    families: dict[str, list[tuple[str, float | None]]] = {}
    names: list[str] = []
    for line, value in values.items():
        if line.startswith("# "):
            name = line.split(" ", 3)[2]
            if name not in names:
                names.append(name)
            families.setdefault(name, []).append((line, value))
    for line, value in values.items():
        if not line.startswith("#"):
            sample = line.partition("{")[0]
            name = max((each for each in names if sample.startswith(each)), key=len, default="")
            families.setdefault(name, []).append((line, value))
    return [entry for entries in families.values() for entry in entries]
