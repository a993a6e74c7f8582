"""Why PostgreSQL does not take calls, in one line with the cure."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors

from gateway.redact import redact

CHARS_MAX: Final = 300
PASSWORD: Final = "store the role's password with `gateway credentials set ledger_postgres`"
RIGHTS: Final = "make the role the owner of the schema gateway: see docs/cluster.md"

_CURES: Final = (
    (errors.InvalidPassword, PASSWORD),
    (errors.InsufficientPrivilege, RIGHTS),
    (errors.InvalidCatalogName, "create the database: see docs/cluster.md"),
    (errors.DiskFull, "make room on PostgreSQL's disk"),
    (errors.LockNotAvailable, "another session holds a lock on the tables of the schema gateway"),
    (errors.ReadOnlySqlTransaction, "state the host of the primary in [ledger] url"),
)
_WORDS: Final = (
    ("password authentication failed", PASSWORD),
    ("no password supplied", PASSWORD),
    ("root certificate file", "state sslrootcert in [ledger] url, such as sslrootcert=system"),
    ("certificate verify failed", "state the file of its authority as sslrootcert in [ledger] url"),
    ("does not match host name", "state the host by the name that its certificate has"),
    ("does not exist", "create it: see docs/cluster.md"),
)
"""Of a connection that fails, libpq gives words alone."""


def reason(error: Exception) -> str:
    """What went wrong, and the cure where one is known. Holds no secret."""
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    words = " ".join(redact(str(error)).split())[:CHARS_MAX] or type(error).__name__
    cure = _cure(error, words)
    return f"{words}; {cure}" if cure else words


def _cure(error: Exception, words: str) -> str:
    for kind, cure in _CURES:
        if isinstance(error, kind):
            return cure
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return next((cure for word, cure in _WORDS if word in words), "")
    return ""
