"""An HTTP client of the running gateway, for the commands that show it."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from gateway.config.load import Config
from gateway.config.schema import Server


class NotRunning(Exception):
    """Nothing answers, or what answers is not a gateway; the message names the address and the
    cure."""


def address(config: Config | None) -> str:
    """Where the gateway of this configuration listens, or `$GATEWAY_URL`.

    Raises `NotRunning` if that is invalid.
    """
    stated = os.environ.get("GATEWAY_URL", "").rstrip("/").removesuffix("/v1")
    if stated:
        if not _is_address(stated):
            message = f"$GATEWAY_URL is {stated!r}, which is not an address"
            raise NotRunning(f"{message}; write http://host:port")
        return stated
    server = config.server if config is not None else Server()
    host, port = server.host, server.port
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def ask(config: Config | None, path: str) -> dict[str, Any]:
    """The JSON object at `path`.

    `$GATEWAY_KEY` is the client key, where one is needed. Raises `NotRunning`.
    """
    import httpx

    url = address(config)
    key = os.environ.get("GATEWAY_KEY", "")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx.get(url + path, headers=headers, timeout=3.0, trust_env=False)
        body = response.json()
    except (httpx.HTTPError, ValueError):
        cure = "start it with `gateway serve`, or set $GATEWAY_URL"
        raise NotRunning(f"no gateway answers at {url}; {cure}") from None
    if response.status_code == 401:
        found = "refuses the key of $GATEWAY_KEY" if key else "needs a client key in $GATEWAY_KEY"
        raise NotRunning(f"the gateway at {url} {found}; `gateway keys add NAME` makes one")
    if response.status_code != 200 or not isinstance(body, dict):
        status = f"status {response.status_code}"
        raise NotRunning(f"the server at {url} is not a gateway of this version ({status})")
    return body
