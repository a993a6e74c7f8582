"""Answers to HTTP/1.0 clients, which know no chunks (RFC 9112, section 6.1)."""

from __future__ import annotations

from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Plain:
    """An ASGI application whose answers without a length are ended by the end of the connection.

    uvicorn frames every answer: it counts what it is sent against a length, or writes chunks. Here
    it is given no framing, and the length of one piece at a time. It closes the connection of an
    HTTP/1.0 client after the answer.
    """

    def __init__(self, app: ASGI3Application, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        endless = False

        async def send_plain(message: Any) -> None:
            nonlocal endless
            if message["type"] == "http.response.start":
                endless = all(name.lower() != b"content-length" for name, _ in message["headers"])
                self._cycle.chunked_encoding = False if endless else None
            elif endless:
                self._cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, send_plain)
