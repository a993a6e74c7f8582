"""The connection to a collector, over real sockets: what is sent, and that no fault lasts beyond
the timeout."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from gateway.observe.collector import HttpPost
from gateway.observe.trace_settings import Settings
from gateway.observe.traces import Answer, Unreachable

QUICK_S: Final = 0.2
LONG_S: Final = 20.0
KEY: Final = "canary-of-the-collector"


@contextmanager
def post(url: str, *, is_compressed: bool = False) -> Iterator[HttpPost]:
    with closing(
        HttpPost(Settings(url, (("Authorization", KEY),), is_compressed=is_compressed), "agent/1")
    ) as made:
        yield made


@contextmanager
def raw(*pieces: bytes, hangs: bool = False) -> Iterator[str]:
    """A server that reads a request, sends these pieces, and closes or hangs. Gives its URL."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
            if hangs:
                over.wait(LONG_S)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces"
    finally:
        over.set()
        listener.close()
        thread.join(LONG_S)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_request(httpserver: HTTPServer, is_compressed: bool) -> None:
    seen: list[tuple[Request, bytes]] = []

    def take(request: Request) -> Response:
        seen.append((request, request.get_data()))
        return Response('{"partialSuccess":{}}', content_type="application/json")

    httpserver.expect_request("/v1/traces", method="POST").respond_with_handler(take)
    with post(httpserver.url_for("/v1/traces"), is_compressed=is_compressed) as send:
        for body in (b'{"a":1}', b'{"a":2}'):
            assert send(body, LONG_S) == Answer(200, None, b'{"partialSuccess":{}}')
    for (request, data), sent in zip(seen, (b'{"a":1}', b'{"a":2}'), strict=True):
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == KEY
        assert request.headers["user-agent"] == "agent/1"
        assert request.headers.get("content-encoding") == ("gzip" if is_compressed else None)
        assert (gzip.decompress(data) if is_compressed else data) == sent


def test_a_pause_is_handed_on(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_response(Response("", 503, {"Retry-After": "7"}))
    with post(httpserver.url_for("/")) as send:
        assert send(b"{}", LONG_S)[:2] == (503, "7")


def test_no_redirect_is_followed(httpserver: HTTPServer) -> None:
    """The headers hold a key, which is the collector's alone."""
    httpserver.expect_request("/").respond_with_response(
        Response("", 307, {"Location": "/elsewhere"})
    )
    httpserver.expect_request("/elsewhere").respond_with_data("")
    with post(httpserver.url_for("/")) as send:
        assert send(b"{}", LONG_S).status == 307
    assert [request.path for request, _ in httpserver.log] == ["/"]


HEAD: Final = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (HEAD,),
        (HEAD + b"content-length: 9\r\n\r\n", b"{"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n",),
    ],
)
def test_a_collector_that_hangs_is_left_in_time(pieces: tuple[bytes, ...]) -> None:
    with (
        raw(*pieces, hangs=True) as url,
        post(url) as send,
        pytest.raises(Unreachable, match="in time"),
    ):
        send(b"{}", QUICK_S)


def test_a_collector_that_answers_too_slowly_is_abandoned() -> None:
    """Each read succeeds at once; only the whole takes too long."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(HEAD)
            try:
                while not over.wait(0.01):
                    connection.sendall(b"x-more: 1\r\n")
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with post(url) as send, pytest.raises(Unreachable):
        send(b"{}", QUICK_S)
    over.set()
    listener.close()
    thread.join(LONG_S)


@pytest.mark.parametrize(
    "piece",
    [
        b"\0\xff garbage\r\n\r\n",
        b"HTTP/1.1 999999 No\r\n\r\n",
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        HEAD * 3,
    ],
)
def test_a_collector_that_does_not_answer_in_http(piece: bytes) -> None:
    with raw(piece) as url, post(url) as send, pytest.raises(Unreachable) as raised:
        send(b"{}", LONG_S)
    assert KEY not in str(raised.value)


def test_a_body_without_an_end_is_not_read_to_it() -> None:
    with raw(HEAD + b"\r\n", b"x" * 1_000_000, hangs=True) as url, post(url) as send:
        answer = send(b"{}", LONG_S)
    assert answer.status == 200
    assert len(answer.body) < 200_000


def test_an_answer_in_a_wrong_encoding_is_not_decoded() -> None:
    with (
        raw(HEAD + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc") as url,
        post(url) as send,
    ):
        assert send(b"{}", LONG_S) == Answer(200, None, b"abc")


def test_a_collector_that_is_not_there() -> None:
    with post("http://127.0.0.1:1/secret/path") as send, pytest.raises(Unreachable) as raised:
        send(b"{}", LONG_S)
    assert "127.0.0.1:1" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_it_can_be_asked_again_after_a_fault(httpserver: HTTPServer) -> None:
    hanging = threading.Event()

    def first_hangs(request: Request) -> Response:
        if not hanging.is_set():
            hanging.set()
            done.wait(LONG_S)
        return Response("{}")

    done = threading.Event()
    httpserver.expect_request("/").respond_with_handler(first_hangs)
    with post(httpserver.url_for("/")) as send:
        with pytest.raises(Unreachable):
            send(b"{}", QUICK_S)
        done.set()
        assert send(b"{}", LONG_S).status == 200


def test_one_that_was_never_used_closes() -> None:
    with post("http://127.0.0.1:1/"):
        pass
