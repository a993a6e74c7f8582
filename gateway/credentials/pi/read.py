"""An entry of pi's `auth.json` for a provider, as a key or a reason. Reads no file and runs
nothing.

`{"anthropic": {"type": "api_key", "key": …}, "xai": {"type": "oauth", "access": …, "expires":
milliseconds}}`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Unusable(Exception):
    """Why an entry cannot be used; never holds the key."""


class Expired(Unusable):
    """An OAuth entry whose time is over, with what is needed to renew it."""


def key_of(entry: object, env: Mapping[str, str], now: float) -> tuple[str, bool]:
    """(key, whether it is an OAuth token) of one provider's entry. `now` is Unix time.

    Raises `Expired` for a sign-in that can be renewed, and `Unusable` for anything else that is not
    a key.
    """
    if not isinstance(entry, dict):
        raise Unusable("has no entry for it: sign in with pi, or use api_key")
    if entry.get("type") == "oauth":
        return _token(entry, now), True
    if entry.get("type") == "api_key" and isinstance(entry.get("key"), str):
        return _key(entry["key"].strip(), env), False
    raise Unusable("has an entry for it that is neither an api_key nor an oauth entry")


def _key(key: str, env: Mapping[str, str]) -> str:
    """A literal, or the name of an environment variable that is set."""
    if key.startswith("!"):
        raise Unusable(
            "has a command for it, and the gateway runs none: store its output with `credentials "
            "set`"
        )
    return env.get(key, "").strip() or key


def _token(entry: Mapping[str, Any], now: float) -> str:
    token, expires_ms = entry.get("access"), entry.get("expires")
    if not isinstance(token, str) or not isinstance(expires_ms, int | float):
        raise Unusable("has an oauth entry for it without `access` or `expires`")
    if expires_ms / 1000 > now:
        return token
    if isinstance(entry.get("refresh"), str) and entry["refresh"]:
        raise Expired("has an expired sign-in for it: the next call renews it, or run pi")
    raise Unusable(
        "has an expired sign-in for it and nothing to renew it with: run pi and sign in again"
    )
