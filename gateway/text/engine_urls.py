"""The address of a Redis or Valkey server, as people write it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
CURE: Final = (
    'Write "redis://host:6379", "rediss://user@host:6379/0" (with TLS), '
    '"unix:///run/redis/redis.sock" or "redis+sentinel://one:26379,two:26379/mymaster".'
)
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|[\w.-]+", re.ASCII)
_LOOPBACK: Final = re.compile(r"localhost|127(\.\d+){3}|::1")


class AddressError(Exception):
    """An address that cannot be used; the message never repeats it, as it may hold a password."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine is."""

    hosts: tuple[tuple[str, int], ...] = ()
    """The server; with a `master`, the sentinels that know it."""
    path: str = ""
    """Of a unix socket."""
    user: str | None = None
    database: int = 0
    is_tls: bool = False
    master: str = ""
    """The name by which the sentinels know the primary."""

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this machine."""
        return all(_LOOPBACK.fullmatch(host) for host, _ in self.hosts)

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        hosts = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{hosts}/{self.master}" if self.master else hosts


def parse(text: str) -> Address:
    """Raises `AddressError`."""
    try:
        parts = urlsplit(text)
        if parts.password is not None:
            raise AddressError(
                "has a password in it: store it with `gateway credentials set cluster_redis`, "
                "and write the user name alone"
            )
        read = _SCHEMES[parts.scheme]
    except (ValueError, KeyError):
        raise AddressError("is not an address of a Redis server") from None
    if parts.query or parts.fragment:
        raise AddressError("must not have a query or a fragment")
    return read(parts)


def _server(parts: SplitResult) -> Address:
    user, _, place = parts.netloc.rpartition("@")
    hosts = tuple(_host(each, PORT) for each in place.split(","))
    if len(hosts) != 1:
        raise AddressError("names several servers: write redis+sentinel:// for sentinels")
    is_tls = parts.scheme.startswith("rediss")
    return Address(hosts, "", unquote(user) or None, _database(parts.path), is_tls)


def _sentinels(parts: SplitResult) -> Address:
    user, _, place = parts.netloc.rpartition("@")
    hosts = tuple(_host(each, SENTINEL_PORT) for each in place.split(","))
    master, _, database = parts.path.strip("/").partition("/")
    if not re.fullmatch(r"[\w.-]+", master, re.ASCII):
        raise AddressError("names no primary: sentinels know it by a name, such as /mymaster")
    is_tls = parts.scheme.startswith("rediss")
    return Address(hosts, "", unquote(user) or None, _database(database), is_tls, master)


def _socket(parts: SplitResult) -> Address:
    user, _, place = parts.netloc.rpartition("@")
    if place or not parts.path.strip("/"):
        raise AddressError("names no socket: its path is absolute, as in unix:///run/redis.sock")
    return Address((), unquote(parts.path), unquote(user) or None)


def _host(text: str, port: int) -> tuple[str, int]:
    host, _, stated = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
    if not _HOST.fullmatch(host) or (stated and not 0 < int(stated) < 65536):
        raise AddressError("has no host and port that can be used")
    return host.strip("[]"), int(stated) if stated else port


def _database(path: str) -> int:
    number = path.strip("/") or "0"
    if not re.fullmatch(r"\d{1,4}", number, re.ASCII):
        raise AddressError("has a path that is not the number of a database")
    return int(number)


_SCHEMES: Final = {
    "redis": _server,
    "rediss": _server,
    "redis+sentinel": _sentinels,
    "rediss+sentinel": _sentinels,
    "unix": _socket,
}
