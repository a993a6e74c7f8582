"""Tokens and money, added up by agent, model, day or client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gateway.config.load import Config
from gateway.observe.ledger_read import Filters, Record
from gateway.observe.ledger_read import usage as ledger_usage
from gateway.observe.prices import cost
from gateway.reports.requests import ledger_path
from gateway.reports.shared_ledger import place
from gateway.types import Model


@dataclass(slots=True)
class Total:
    """The calls of one group."""

    group: str
    calls: int = 0
    failed: int = 0
    """Calls with a status of 400 or more."""
    uncounted: int = 0
    """Answers without a token count from their provider."""
    input: int = 0
    """Input tokens, cached ones included, as `output` includes `reasoning`."""
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    """Of `cache_write`, what is kept for an hour."""
    reasoning: int = 0
    cost: float | None = 0.0
    """Dollars, of all tokens with a known price; None if no price is known."""
    unpriced: int = 0
    """Calls whose tokens have no known price."""

    @property
    def is_partly_unknown(self) -> bool:
        """Whether the cost leaves some calls out."""
        return bool(self.unpriced or self.uncounted)


_SHORT: Final = 1
"""The largest size class of `daily` in which no provider charges a long prompt's price."""
_PRICED: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
COUNTS = (
    "calls",
    "failed",
    "uncounted",
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """All groups."""

    by: str
    """One of `ledger_read.GROUPS`."""
    totals: list[Total]

    def records(self) -> list[dict[str, Any]]:
        """One record per group; the group's name is under the key `by`."""
        return [_record(total, self.by) for total in self.totals]

    def all(self) -> Total:
        """The sum of all groups."""
        whole = Total("all")
        for total in self.totals:
            for key in COUNTS:
                setattr(whole, key, getattr(whole, key) + getattr(total, key))
            whole.unpriced += total.unpriced
            whole.cost = (whole.cost or 0.0) + (total.cost or 0.0)
        return whole


def _record(total: Total, by: str) -> dict[str, Any]:
    record = asdict(total)
    return {by: record.pop("group"), **record}


def usage(config: Config | None, by: str, filters: Filters, *, of_all: bool = False) -> Usage:
    """The usage grouped `by` one of `ledger_read.GROUPS`; `of_all` gateways, also by `gateway`.

    Raises `ledger_read.Unreadable`.
    """
    totals: dict[str, Total] = {}
    models = config.models if config is not None else {}
    if of_all:
        at = place(config)
        from gateway.observe.shipping import reader

        records = reader.usage(at, by, filters)
    else:
        records = ledger_usage(ledger_path(config), by, filters)
    for record in records:
        total = totals.setdefault(record["group"], Total(record["group"]))
        _add(total, record, dollars(record, models))
    _mark_unknown(totals.values())
    return Usage(by, list(totals.values()))


def _add(total: Total, record: Record, dollars: float | None) -> None:
    for key in COUNTS:
        setattr(total, key, getattr(total, key) + int(record[key]))
    if dollars is None:
        total.unpriced += record["calls"]
    else:
        total.cost = (total.cost or 0.0) + dollars


def _mark_unknown(totals: Iterable[Total]) -> None:
    """An unknown cost is None, not 0."""
    for total in totals:
        if not total.cost and total.is_partly_unknown:
            total.cost = None


def dollars(record: Mapping[str, Any], models: Mapping[str, Model]) -> float | None:
    """The cost of a sum of `calls` of one model and `day`; None if no price is known.

    With `size`, all calls have the price of their average: long ones must not be priced as one.
    """
    if record["cost"] is None and not record["input"] and not record["output"]:
        return 0.0
    model = models.get(record["model"] or "")
    at = datetime.fromisoformat(record["day"]).replace(hour=12, tzinfo=UTC).timestamp()
    stated = model.price if model is not None else None
    if record.get("size", 0) > _SHORT:
        average = {name: (record[name] or 0) / record["calls"] for name in _PRICED}
        average["cost"] = record["cost"] / record["calls"] if record["cost"] is not None else None
        price = cost(record["provider"], record["model_id"], average, at, stated)
        return price * record["calls"] if price is not None else None
    return cost(record["provider"], record["model_id"], record, at, stated, record["calls"])
