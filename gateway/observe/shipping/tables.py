"""The tables in PostgreSQL, in a schema of their own, and the statements that fill them.

`calls` has the columns of the ledger's file and is partitioned by the month (UTC) in which a call
arrived. `usage_daily` has the sums of each day (UTC); the gateway is part of its primary key, so
that each row has one writer.
"""

from __future__ import annotations

from typing import Final

from gateway.observe.daily import SIZES, SUMS
from gateway.observe.shipping.outbox import SHIPPED

VERSION: Final = 1
"""The version of the tables."""
LEAST: Final = 1
"""The oldest version whose gateways may go on to write into these tables. A release that adds a
column keeps it; one that changes what a column means raises it."""

_KINDS: Final = {
    **dict.fromkeys(("seconds", "first_token_s", "cost"), "double precision"),
    **dict.fromkeys(("input", "output", "cache_read", "cache_write"), "bigint"),
    **dict.fromkeys(("reasoning", "cache_write_1h", "uid"), "bigint"),
    **dict.fromkeys(("status", "tries"), "integer"),
    "at": "timestamptz",
    "stream": "boolean",
    "attempts": "json",
}
"""Column → its type; others are text. `attempts` is not jsonb, which refuses what JSON allows."""
_NEEDED: Final = ("at", "uid", "id", "agent", "client", "status", "stream", "seconds", "dropped")

_COLUMNS: Final = ", ".join(name for name, _ in SHIPPED)
_KEY: Final = (
    "day",
    "gateway",
    "agent",
    "client",
    "model",
    "provider",
    "model_id",
    "size",
    "stated",
)

SCHEMA_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'gateway')"
EXISTS: Final = """
SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = 'gateway' AND relname = 'release')
"""
"""Asked of the catalog's tables. `to_regclass` reads a cache, which a session that has waited for
an advisory lock does not renew."""
SCHEMA: Final = "CREATE SCHEMA gateway"
CREATE: Final = (
    "CREATE TABLE gateway.release (version integer NOT NULL, least integer NOT NULL)",
    f"""CREATE TABLE gateway.calls (gateway text NOT NULL, {
        ", ".join(
            f"{name} {_KINDS.get(name, 'text')}{' NOT NULL' if name in _NEEDED else ''}"
            for name, _ in SHIPPED
        )
    }, PRIMARY KEY (at, uid)) PARTITION BY RANGE (at)""",
    "CREATE INDEX calls_agent ON gateway.calls (agent, at)",
    "CREATE INDEX calls_id ON gateway.calls (id text_pattern_ops)",
    f"""CREATE TABLE gateway.usage_daily (
        day date, gateway text, agent text, client text, model text, provider text, model_id text,
        size integer, stated boolean, {", ".join(f"{name} numeric NOT NULL" for name in SUMS)},
        cost double precision NOT NULL, PRIMARY KEY ({", ".join(_KEY)}))""",
    """CREATE TABLE gateway.gateways (
        gateway text PRIMARY KEY, version text NOT NULL, retention_days integer NOT NULL,
        calls bigint NOT NULL, shipped_at timestamptz NOT NULL)""",
    f"INSERT INTO gateway.release VALUES ({VERSION}, {LEAST})",  # noqa: S608
)
"""`model`, `provider` and `model_id` of `usage_daily` are empty for calls that no model answered;
the other columns are those of the ledger's `daily`. Token counts are `numeric`, because a provider
may state absurd ones and the sums must not overflow."""

INCOMING: Final = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS gateway_incoming_{VERSION} ({
    ", ".join(
        f"{name} {'double precision' if name == 'at' else _KINDS.get(name, 'text')}"
        for name, _ in SHIPPED
    )
}) ON COMMIT DELETE ROWS
"""
"""Where a batch arrives. It stays as long as the session, which may be a pooler's: its name has the
version."""
COPY: Final = f"COPY pg_temp.gateway_incoming_{VERSION} ({_COLUMNS}) FROM STDIN (FORMAT csv)"

_VALUES: Final = (
    *("count(*)", "count(*) FILTER (WHERE status >= 400)"),
    "count(*) FILTER (WHERE model IS NOT NULL AND tries > 1)",
    "count(*) FILTER (WHERE model IS NOT NULL AND output IS NULL)",
    *(f"coalesce(sum({name}), 0)" for name in SUMS[4:]),
)
SIZE: Final = f"coalesce({' + '.join(f'(input > {size})::integer' for size in SIZES)}, 0)"
"""The size class of a call, as in `daily`."""

SHIP: Final = f"""
WITH added AS (
    INSERT INTO gateway.calls (gateway, {_COLUMNS})
    SELECT %(gateway)s, to_timestamp(at), {_COLUMNS.removeprefix("at, ")}
    FROM pg_temp.gateway_incoming_{VERSION}
    ON CONFLICT DO NOTHING RETURNING *
), summed AS (
    INSERT INTO gateway.usage_daily AS known ({", ".join(_KEY)}, {", ".join(SUMS)}, cost)
    SELECT (at AT TIME ZONE 'UTC')::date, gateway, agent, client,
        coalesce(model, ''), coalesce(provider, ''), coalesce(model_id, ''),
        {SIZE}, cost IS NOT NULL, {", ".join(_VALUES)}, coalesce(sum(cost), 0)
    FROM added GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET
        {", ".join(f"{name} = known.{name} + excluded.{name}" for name in (*SUMS, "cost"))}
)
SELECT count(*) FROM added
"""  # noqa: S608
"""Adds the calls that are new, and their sums. The rows are in order, so that two gateways with one
name, which a copied machine can have, lock them in the same order."""

SEEN: Final = """
INSERT INTO gateway.gateways AS known VALUES (%(gateway)s, %(version)s, %(days)s, %(calls)s, now())
ON CONFLICT (gateway) DO UPDATE SET version = excluded.version,
    retention_days = excluded.retention_days, calls = known.calls + excluded.calls,
    shipped_at = now()
"""

PARTITIONS: Final = """
SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = 'gateway.calls'::regclass AND child.relname ~ '^calls_[0-9]{4}_[0-9]{2}$'
"""
PARTITION: Final = (
    "CREATE TABLE IF NOT EXISTS gateway.{name} (LIKE gateway.calls INCLUDING ALL)",
    "ALTER TABLE gateway.calls ATTACH PARTITION gateway.{name}"
    " FOR VALUES FROM ('{month}-01 00:00+00') TO ('{following}-01 00:00+00')",
)
"""A partition is attached, because `PARTITION OF` would lock the table against every writer."""
OLDEST: Final = """
SELECT to_char((now() - make_interval(days => max(retention_days))) AT TIME ZONE 'UTC', 'YYYY-MM')
FROM gateway.gateways
"""
"""The oldest month that is kept: by the longest retention of all gateways, so that the mistake of
one host removes nothing that another host keeps."""
