"""A connection on which answers leave in few pieces.

The loop sends at once what it is given, and a system call and its packet cost as much as
translating a dozen events. uvicorn writes the head of an answer before its body, and a stream that
has come to its end has more to say than its last event: what is written in one turn of the loop
leaves together at its end.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final


class Gathering:
    """A transport that sends what is written in one turn of the loop together; in all else the one
    that it is given."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport: Final = transport
        self._loop: Final = loop
        self._pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not data:
            return  # asyncio of Python 3.12 and 3.13 keeps an empty last piece, and never closes
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.writelines(pieces)
