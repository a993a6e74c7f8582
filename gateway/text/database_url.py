"""The URL of a PostgreSQL database, as libpq reads it: where it leads, and what must not be in it.

Source: PostgreSQL's manual, "Connection URIs" and "Parameter Key Words".
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

SCHEMES: Final = ("postgresql", "postgres")
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SECRETS: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})


class UrlError(Exception):
    """A URL that cannot be used: what is wrong, and the cure. Neither repeats the URL, which may
    hold a password."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message} {cure}")
        self.message = message
        self.cure = cure


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """What a URL says."""

    hosts: tuple[str, ...]
    """Names, addresses, or folders of sockets; none where libpq takes its local socket."""
    ssl_mode: str | None
    """As stated; None where it is not."""

    @property
    def is_local(self) -> bool:
        """Whether the connection stays on this machine."""
        return all(map(_is_local, self.hosts))


def parse(url: str) -> DatabaseUrl:
    """Reads a URL. Raises `UrlError`."""
    scheme, colon, address = url.partition("://")
    if not colon or scheme not in SCHEMES:
        raise UrlError(
            "is not an address of PostgreSQL.", 'Write "postgresql://ROLE@HOST/DATABASE".'
        )
    place, _, query = address.partition("?")
    authority = place.partition("/")[0]
    user, _, hosts = authority.rpartition("@")
    values = dict(parse_qsl(query, keep_blank_values=True))
    if ":" in user or "@" in user or _SECRETS & values.keys():
        raise UrlError(
            "has a password in it.",
            "Store it with `gateway credentials set ledger_postgres`, and remove it here.",
        )
    if "service" in values:
        raise UrlError(
            "names a service, whose host the gateway cannot check.", "Write the host itself."
        )
    mode = values.get("sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise UrlError(
            "has an sslmode that does not exist.", f"Write one of {', '.join(SSL_MODES)}."
        )
    stated = values.get("hostaddr") or values.get("host") or hosts
    return DatabaseUrl(tuple(_host(unquote(each)) for each in stated.split(",") if each), mode)


def _host(place: str) -> str:
    """A place without its port."""
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.rpartition(":")[0] if place.count(":") == 1 else place


def _is_local(host: str) -> bool:
    if host.startswith(("/", "@")) or host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
