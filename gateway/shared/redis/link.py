"""One socket to the engine: commands out, replies in, as RESP2.

There is no pool and no retry: a link that is lost stays lost, and another one is opened.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from hiredis import HiredisError, Reader, ReplyError, pack_command

from gateway.shared.redis.health import EngineAway
from gateway.text.engine_urls import Address

Reply = bytes | list[Any] | ReplyError | None
"""What a command returned, the error that it raised, or None: the connection ended first."""

_NOTHING: Final = object()


class Link(asyncio.Protocol):
    """One connection; `open_link` makes one. Replies come in the order of the commands."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.on_reply: Callable[[Any], None] = lambda reply: None
        self.lost: Final[asyncio.Future[str]] = loop.create_future()
        """Why the connection ended."""
        self._reader = Reader(notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self.on_reply(reply)
        except HiredisError:
            self._end("its answers cannot be read")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(in_words(error) if error is not None else "the connection ended")

    def write(self, data: bytes) -> None:
        """Sends packed commands. Never waits; a link that is lost sends nothing."""
        if self._transport is not None:
            self._transport.write(data)

    async def ask(self, *command: Any) -> Any:
        """The reply to one command, where no other one is under way. Raises `EngineAway`."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.on_reply = lambda reply: None if answer.done() else answer.set_result(reply)
        self.write(pack_command(command))
        await asyncio.wait((answer, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise EngineAway(self.lost.result())
        if isinstance(answer.result(), ReplyError):
            raise EngineAway(in_words(answer.result()))
        return answer.result()

    def close(self) -> None:
        """Closes the socket at once. Closing twice does nothing."""
        if self._transport is not None:
            self._transport.abort()
        self._end("the connection was closed")

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)


async def open_link(address: Address, host: tuple[str, int] | None = None) -> Link:
    """A connection to `host`; to the unix socket of `address` without one. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    if host is None:
        _, link = await loop.create_unix_connection(Link, address.path)
        return link
    context = ssl.create_default_context() if address.is_tls else None
    _, link = await loop.create_connection(Link, *host, ssl=context)
    return link


def in_words(error: BaseException) -> str:
    """Why the engine cannot be used, with the cure where there is one."""
    text = str(error)
    if isinstance(error, ReplyError):
        return next((words for sign, words in _WORDS if sign in text), text.rstrip("."))
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ConnectionError | FileNotFoundError | PermissionError) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return text.rstrip(".") or type(error).__name__


FORGOTTEN: Final = "it has lost its memory, which is restored"
_NO_RIGHTS: Final = "its user has not all rights that are needed: see docs/cluster.md"
_NO_LOGIN: Final = (
    "it refuses the user or the password: store it with `gateway credentials set cluster_redis`"
)
_WORDS: Final[Sequence[tuple[str, str]]] = (
    ("WRONGPASS", _NO_LOGIN),
    ("NOAUTH", _NO_LOGIN),
    ("invalid password", _NO_LOGIN),
    ("without any password configured", _NO_LOGIN),
    ("NOPERM", _NO_RIGHTS),
    ("user executing the script can't", _NO_RIGHTS),
    ("ACL failure in script", _NO_RIGHTS),  # Valkey
    ("OOM ", "its memory is full: raise maxmemory, with the policy noeviction"),
    ("READONLY", "it is a replica, which cannot be written"),
    ("FORGOTTEN", FORGOTTEN),
)
"""(a part of the server's words, ours)."""
