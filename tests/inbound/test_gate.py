"""Which calls the gate lets pass on our own connections, and which take the way of ASGI to be
refused or answered by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from gateway.app import App
from gateway.config import schema
from gateway.inbound.http import Headers
from gateway.inbound.http11 import Connection, Http11Exchange
from tests.inbound.asgi import CHAT, make

HOST = (b"host", b"127.0.0.1:8484")
PAGE = b"https://chat.example"


def passes(app: App, *headers: tuple[bytes, bytes], method: str = "POST") -> Headers | None:
    """What the answer says to web pages; None for a call that is not answered directly."""
    connection = cast(Connection, Silent())
    target = CHAT.encode()
    exchange = Http11Exchange(connection, method, target, "1.1", list(headers), keeps_alive=True)
    answering = app.answer(exchange)
    if answering is None:
        return None
    answering.close()
    return exchange.shared


class Silent:
    """A connection on which nothing happens."""

    scheme = "http"
    transport: Any = None
    loop: Any = None
    is_full = is_paused = False


def test_a_program_passes_again_and_again(tmp_path: Path) -> None:
    app = make(tmp_path)
    assert [passes(app, HOST) for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example")],
        [HOST, HOST],
        [HOST, (b"origin", b"https://evil.example")],
        [HOST, (b"sec-fetch-site", b"cross-site")],
    ],
)
def test_what_is_refused_is_refused_by_the_gate(
    tmp_path: Path, headers: list[tuple[bytes, bytes]]
) -> None:
    app = make(tmp_path)
    assert passes(app, HOST) == []
    assert [passes(app, *headers) for _ in range(2)] == [None, None]


def test_another_method_is_not_a_call(tmp_path: Path) -> None:
    assert passes(make(tmp_path), HOST, method="GET") is None


def test_a_listed_page_may_read_the_answer(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(allowed_origins=[PAGE.decode()]))
    for _ in range(2):
        shared = passes(app, HOST, (b"origin", PAGE))
        assert shared is not None
        assert (b"access-control-allow-origin", PAGE) in shared
        assert passes(app, HOST) == [(b"vary", b"Origin")]


def test_a_header_that_comes_twice_is_not_taken_for_one(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(allowed_origins=[PAGE.decode()]))
    assert passes(app, HOST, (b"origin", PAGE)) is not None
    assert passes(app, HOST, (b"origin", PAGE), (b"origin", b"https://evil.example")) is None


def test_verdicts_end_with_the_configuration(tmp_path: Path) -> None:
    app = make(tmp_path / "a", schema.Server(allowed_hosts=["gateway.lan"]))
    other = make(tmp_path / "b")
    named = (b"host", b"gateway.lan")
    assert passes(app, named) == []
    app.swap(other.gateway.config)
    assert passes(app, named) is None


@pytest.mark.anyio
async def test_a_call_is_only_made_when_it_is_answered(tmp_path: Path) -> None:
    app = make(tmp_path)
    passes(app, HOST)
    assert len(app.endpoint.calls) == 0
