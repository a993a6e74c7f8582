"""The ledger that several gateways share in PostgreSQL: where it is, and what is wrong with it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config.audit import Finding
from gateway.config.load import Config
from gateway.credentials.secret import CredentialError
from gateway.credentials.store import LEDGER_PASSWORD, Credentials
from gateway.observe.ledger_read import Unreadable, reading
from gateway.observe.shipping.outbox import Waiting, outbox_of

if TYPE_CHECKING:
    from gateway.observe.shipping.reader import Facts, Place

LAG_S: Final = 60.0
"""Calls that wait for longer are worth a warning."""
_RIGHTS: Final = "Make the role the owner of the schema gateway: see docs/cluster.md."


def place(config: Config | None, credentials: Credentials | None = None) -> Place:
    """Where the shared ledger is. Raises `Unreadable` where there is none."""
    if config is None or not config.ledger.url:
        raise Unreadable(
            "--all reads the ledger that several gateways share, and this configuration states"
            " none: set [ledger] url, or leave --all out"
        )
    from gateway.observe.shipping.reader import Place

    try:
        found = (credentials or Credentials(os.environ, Path.home())).named(LEDGER_PASSWORD)
    except CredentialError as error:
        raise Unreadable(f"the password of [ledger] url cannot be read: {error}") from error
    return Place(config.ledger.url, found.secret.reveal() if found is not None else None)


def examine(config: Config, credentials: Credentials) -> Iterator[Finding]:
    """The findings of `gateway doctor`; none without `[ledger] url`."""
    if not config.ledger.url:
        return
    from gateway.observe.shipping.reader import facts

    began = time.monotonic()
    try:
        found = facts(place(config, credentials))
    except Unreadable as error:
        yield Finding("ledger", "error", "PostgreSQL", f"{error}.")
    else:
        took_ms = (time.monotonic() - began) * 1000
        words = f"PostgreSQL {found.server} answers as role {found.role}, in {took_ms:.0f} ms"
        yield Finding("ledger", "ok", "PostgreSQL", words)
        yield from _of_tables(found)
    yield from _of_file(config.ledger_path)


def _of_tables(found: Facts) -> Iterator[Finding]:
    if found.missing:
        message = f"{found.role} does not have {', '.join(found.missing)}."
        yield Finding("ledger", "error", "role", message, _RIGHTS)
        return
    if not found.partitions:
        yield _beginning(found)
        return
    if found.is_newer:
        message = "the tables belong to a newer release, and this gateway ships nothing."
        yield Finding("ledger", "error", "tables", message, "Update this gateway.")
    first, last = found.partitions[0], found.partitions[-1]
    gateways = f"{found.gateways} gateway{'' if found.gateways == 1 else 's'} shipped calls"
    yield Finding("ledger", "ok", "tables", f"{first} to {last}, {gateways}")
    if not found.is_owner:
        message = f"{found.role} cannot make the partition of next month, nor drop old ones."
        yield Finding("ledger", "warning", "role", message, _RIGHTS)
    if last < f"calls_{datetime.now(UTC):%Y_%m}":
        message = "there is no partition for this month yet."
        yield Finding("ledger", "warning", "tables", message, "A running gateway makes it.")


def _beginning(found: Facts) -> Finding:
    if found.may_begin:
        return Finding(
            "ledger", "info", "tables", "there are none yet; the first gateway makes them"
        )
    message = f"there are none yet, and {found.role} cannot make them."
    cure = f"As a superuser: CREATE SCHEMA gateway AUTHORIZATION {found.role}."
    return Finding("ledger", "error", "tables", message, cure)


def _of_file(path: Path) -> Iterator[Finding]:
    """How far behind this gateway is."""
    try:
        with reading(path) as database:
            outbox = outbox_of(database)
            if outbox is None:
                words = "nothing was shipped yet; a gateway begins to when it starts"
                yield Finding("ledger", "info", "shipping", words)
                return
            waiting, given_up = outbox.waiting(), outbox.given_up()
    except Unreadable as error:
        yield Finding("ledger", "error" if path.exists() else "info", "shipping", f"{error}.")
        return
    yield _of_waiting(outbox.gateway, waiting)
    if given_up:
        message = f"{given_up} calls never reach PostgreSQL: refused by it, or removed before."
        yield Finding("ledger", "warning", "shipping", message, "The table set_aside says why.")


def _of_waiting(gateway: str, waiting: Waiting) -> Finding:
    words = f"{gateway}: {waiting.calls} calls wait"
    late_s = time.time() - waiting.since if waiting.since is not None else 0.0
    if late_s <= LAG_S:
        return Finding("ledger", "ok", "shipping", words)
    message = f"{words}, the oldest for {late_s / 60:.0f} minutes."
    return Finding("ledger", "warning", "shipping", message, "The gateway's log says why.")
