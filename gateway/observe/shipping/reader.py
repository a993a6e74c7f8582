"""Queries of the ledger in PostgreSQL, for reports: what `ledger_read` is for a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple, cast

import psycopg
from psycopg.rows import dict_row

from gateway.observe.ledger_read import Filters, Record, Unreadable, escaped, tried
from gateway.observe.shipping.database import Newer, connection_values
from gateway.observe.shipping.outbox import SHIPPED
from gateway.observe.shipping.reasons import reason
from gateway.observe.shipping.tables import EXISTS, LEAST, SIZE

QUERY_S: Final = 30
"""A query that takes longer is ended by PostgreSQL."""

GROUPS: Final = {
    "agent": "agent",
    "model": "coalesce(nullif(model, ''), '-')",
    "day": "day::text",
    "client": "client",
    "gateway": "gateway",
}
"""What usage can be grouped by → the SQL expression. Days are those of UTC."""

_CALL: Final = ", ".join((
    "gateway",
    *({"at": "extract(epoch FROM at)::float8 AS at", "stream": "stream::integer AS stream"}.get(
        name, name
    ) for name, _ in SHIPPED if name != "uid"),
))  # fmt: skip
_COUNTS: Final = (
    *("calls", "failed", "uncounted", "input", "output", "cache_read", "cache_write", "reasoning"),
    "cache_write_1h",
)
_ONE: Final = (
    *("1", "(status >= 400)::integer", "(model IS NOT NULL AND output IS NULL)::integer"),
    *(f"coalesce({name}, 0)" for name in _COUNTS[3:]),
)
"""The counts of one call, as `usage_daily` has them of many."""


class Place(NamedTuple):
    """Where the ledger is."""

    url: str
    password: str | None

    def __repr__(self) -> str:
        return "Place(***)"


Connection = psycopg.Connection[dict[str, Any]]


@contextmanager
def reading(place: Place) -> Iterator[Connection]:
    """A connection that only reads. Raises `Unreadable`, also for an error inside the context."""
    try:
        values = {**connection_values(place.url, place.password), "target_session_attrs": "any"}
        with psycopg.connect(**values, row_factory=dict_row, prepare_threshold=None) as connection:
            connection.read_only = True
            connection.execute(f"SET LOCAL statement_timeout = '{QUERY_S}s'")
            yield connection
    except (psycopg.Error, OSError, Newer) as error:
        raise Unreadable(f"the ledger in PostgreSQL cannot be read: {reason(error)}") from error


def calls(place: Place, filters: Filters, limit: int) -> list[Record]:
    """The last calls of all gateways, newest first; as `ledger_read.calls`, with `gateway`."""
    where, values = _where(filters)
    query = f"SELECT {_CALL} FROM gateway.calls WHERE {where} ORDER BY at DESC LIMIT %(limit)s"  # noqa: S608
    return [tried(row) for row in _rows(place, query, {**values, "limit": limit})]


def call(place: Place, id_: str) -> Record | None:
    """The last call whose id begins with `id_`, with `attempts`."""
    query = f"SELECT {_CALL} FROM gateway.calls WHERE id LIKE %(id)s ORDER BY at DESC LIMIT 1"  # noqa: S608
    found = _rows(place, query, {"id": f"{escaped(id_)}%"})
    return tried(found[0]) if found else None


def usage(place: Place, by: str, filters: Filters) -> list[Record]:
    """Tokens and calls of all gateways; as `ledger_read.usage`, with `size`, the size class of
    `daily`: calls of one record have one price. Of `filters`, `agent`, `model` and `since` count.

    Whole days come from the sums, and what is before the first of them from the calls.
    """
    whole = _whole_day(filters.since)
    where, values = _where(filters._replace(since=None))
    before = _where(filters)[0]
    names = ("day", "gateway", "agent", "client", "model", "provider", "model_id", "size", "stated")
    columns = ", ".join((*names, *_COUNTS, "cost"))
    sums = ", ".join(f"sum({name})::float8 AS {name}" for name in _COUNTS)
    query = f"""
    WITH parts AS (
        SELECT {columns} FROM gateway.usage_daily WHERE {where} AND day >= %(whole)s::date
        UNION ALL
        SELECT (at AT TIME ZONE 'UTC')::date, gateway, agent, client, coalesce(model, ''),
            coalesce(provider, ''), coalesce(model_id, ''), {SIZE}, cost IS NOT NULL,
            {", ".join(_ONE)}, coalesce(cost, 0)
        FROM gateway.calls WHERE {before} AND at < %(whole)s::timestamp AT TIME ZONE 'UTC'
    )
    SELECT {GROUPS[by]} AS "group", day::text AS day, provider, model, model_id, size, {sums},
        CASE WHEN stated THEN sum(cost) END AS cost
    FROM parts GROUP BY {GROUPS[by]}, day, provider, model, model_id, size, stated ORDER BY 1
    """  # noqa: S608
    return _rows(place, query, {**values, "since": filters.since, "whole": whole})


def _whole_day(since: float | None) -> str:
    """The first day (UTC) that is not before this Unix time."""
    if since is None:
        return "-infinity"
    moment = datetime.fromtimestamp(since, UTC) + timedelta(days=1) - timedelta(microseconds=1)
    return f"{moment:%Y-%m-%d}"


def _where(filters: Filters) -> tuple[str, dict[str, Any]]:
    conditions: Mapping[str, Any] = {
        "agent": ("agent = %(agent)s", filters.agent),
        "model": ("model = %(model)s", filters.model),
        "status": ("status = %(status)s", filters.status),
        "since": ("at >= to_timestamp(%(since)s)", filters.since),
        "until": ("at < to_timestamp(%(until)s)", filters.until),
    }
    stated = {name: each for name, each in conditions.items() if each[1] is not None}
    words = [word for word, _ in stated.values()] + ["status >= 400"] * filters.failed
    return " AND ".join(words) or "true", {name: value for name, (_, value) in stated.items()}


def _rows(place: Place, query: str, values: Mapping[str, Any]) -> list[Record]:
    with reading(place) as connection:
        return connection.execute(cast(Any, query), values).fetchall()


# --- for the doctor -------------------------------------------------------------------------------


class Facts(NamedTuple):
    """What `gateway doctor` says of the ledger in PostgreSQL."""

    server: str
    """Its version: `15.20`."""
    role: str
    may_begin: bool
    """Whether the role can make the tables, where there are none."""
    missing: tuple[str, ...]
    """Rights that the role needs and does not have: `INSERT on calls`."""
    is_owner: bool
    """Whether it can make and drop partitions."""
    partitions: tuple[str, ...]
    """In order; none where there are no tables yet."""
    gateways: int
    is_newer: bool
    """Whether the tables belong to a newer release."""


_NEEDED: Final = (
    *(("calls", "SELECT"), ("calls", "INSERT")),
    *(("usage_daily", each) for each in ("SELECT", "INSERT", "UPDATE")),
    *(("gateways", each) for each in ("SELECT", "INSERT", "UPDATE")),
    ("release", "SELECT"),
)
_ROLE: Final = """
SELECT current_setting('server_version') AS server, current_user::text AS role,
    CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = 'gateway')
        THEN has_schema_privilege('gateway', 'CREATE')
        ELSE has_database_privilege(current_database(), 'CREATE') END AS may_begin
"""
_RIGHT: Final = "SELECT has_table_privilege('gateway.' || %(table)s, %(right)s) AS has"
_TABLES: Final = """
SELECT (SELECT max(least) FROM gateway.release) AS least,
    (SELECT count(*) FROM gateway.gateways) AS gateways,
    pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'gateway.calls'::regclass), 'USAGE')
        AND has_schema_privilege('gateway', 'CREATE') AS is_owner,
    ARRAY(SELECT child.relname::text FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = 'gateway.calls'::regclass ORDER BY 1) AS partitions
"""


def facts(place: Place) -> Facts:
    """Asks PostgreSQL about the role and the tables. Raises `Unreadable`."""
    with reading(place) as connection:

        def one(query: LiteralString, **values: Any) -> dict[str, Any]:
            return connection.execute(query, values).fetchone() or {}

        def missing() -> Iterator[str]:
            if not one("SELECT has_schema_privilege('gateway', 'USAGE') AS has")["has"]:
                yield "USAGE on the schema gateway"
                return
            for table, right in _NEEDED:
                if not one(_RIGHT, table=table, right=right)["has"]:
                    yield f"{right} on {table}"

        role, exists = one(_ROLE), one(EXISTS)["exists"]
        rights = tuple(missing()) if exists else ()
        tables = one(_TABLES) if exists and not rights else {}
    return Facts(
        server=role["server"].split()[0],
        role=role["role"],
        may_begin=role["may_begin"],
        missing=rights,
        is_owner=tables.get("is_owner", False),
        partitions=tuple(tables.get("partitions", ())),
        gateways=tables.get("gateways", 0),
        is_newer=tables.get("least", 0) > LEAST,
    )
