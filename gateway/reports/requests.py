"""The calls in the ledger: the last ones, or the timeline of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from gateway.config import schema
from gateway.config.files import path_of
from gateway.config.load import Config, with_place
from gateway.observe import ledger_read
from gateway.observe.ledger_read import Filters
from gateway.reports.shared_ledger import place

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt of a call. Its times are seconds from the call's arrival."""

    number: int
    model: str
    provider: str
    model_id: str
    """The vendor's string."""
    began_s: float
    first_token_s: float | None
    ended_s: float | None
    outcome: str
    """`ok`, or the kind of the failure."""
    status: int | None
    """The provider's HTTP status; None if it did not answer."""
    cooldown_s: float
    """The cooldown that followed; 0 for none."""
    request_id: str | None
    """The provider's own."""
    message: str | None
    """The failure in words, without secrets."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One finished call. Token counts are the provider's; None if it reported none."""

    id: str
    at: float
    """When it arrived, as Unix time."""
    agent: str
    client: str
    model: str | None
    """The model that answered, as are the next two; None if none did."""
    provider: str | None
    model_id: str | None
    status: int
    stream: int
    """1 for a streamed call, 0 for another."""
    seconds: float
    """From its arrival to the end of the answer."""
    first_token_s: float | None
    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    reasoning: int | None
    finish: str | None
    """The finish reason."""
    failure: str | None
    """The kind of the last attempt's failure."""
    dropped: str
    """Fields of the request that the model did not support, separated by commas."""
    attempts: list[AttemptRow]
    tried: str
    """The attempts in a few words: `sonnet rate_limit, local ok`."""
    cache_write_1h: int | None = None
    """Of `cache_write`, what is kept for an hour."""
    cost: float | None = None
    """Dollars, where the provider states them."""
    gateway: str | None = None
    """The gateway that answered, in the ledger that several share."""


def ledger_path(config: Config | None) -> Path:
    """The ledger of this configuration, or of a gateway without one."""
    if config is not None:
        return config.ledger_path
    return path_of(with_place(schema.Ledger(), os.environ).path)


def requests(
    config: Config | None, filters: Filters, limit: int, *, of_all: bool = False
) -> list[CallRow]:
    """The last calls, newest first; `of_all` gateways. Raises `ledger_read.Unreadable`."""
    if of_all:
        at = place(config)
        from gateway.observe.shipping import reader

        found = reader.calls(at, filters, limit)
    else:
        found = ledger_read.calls(ledger_path(config), filters, limit)
    return [call_row(row) for row in found]


def request(config: Config | None, id_: str, *, of_all: bool = False) -> CallRow | None:
    """The last call whose id begins with `id_`. Raises `ledger_read.Unreadable`."""
    if of_all:
        at = place(config)
        from gateway.observe.shipping import reader

        row = reader.call(at, id_)
    else:
        row = ledger_read.call(ledger_path(config), id_)
    return call_row(row) if row is not None else None


def call_row(row: Mapping[str, Any]) -> CallRow:
    """A call as the ledger returns it."""
    attempts = [_made(AttemptRow, attempt) for attempt in row["attempts"]]
    return _made(CallRow, {**row, "attempts": attempts})


def _made(kind: type[T], row: Mapping[str, Any]) -> T:
    """A row of a ledger, which may have more columns (later version) or fewer (earlier version)."""
    known = [field.name for field in fields(kind) if field.name in row]  # type: ignore[arg-type]
    return kind(**{name: row[name] for name in known})
