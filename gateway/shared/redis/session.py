"""One connection's life: commands on one socket, messages on another. When one of them ends, both
do.

All commands of one turn of the loop leave in one write. Their answers come in the same order. A
command that was sent is never cancelled: its caller may leave, and its answer is still read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from hiredis import pack_command
from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from gateway.shared.redis import library
from gateway.shared.redis.health import EngineAway
from gateway.shared.redis.messages import pack, unpack
from gateway.text.engine_urls import Address

CONNECT_S: Final = 1.0
SILENT_S: Final = 0.25
"""An engine that leaves a command unanswered for so long is away."""
LATER_S: Final = 0.005
"""How long a command may wait for others to leave with, where no call waits for what it does."""
TURNS: Final = 4
"""Turns of the loop from an answer in the socket to its caller. A busy loop is not a slow engine:
time is up only after these."""

Reply = bytes | list[Any] | RedisError | None
"""What a command returned, the error that it raised, or None: the connection ended first."""
OnReply = Callable[[Reply], None]


class EngineRefused(EngineAway):
    """The engine answers with an error."""


class NoFunction(EngineRefused):
    """The engine has not got the library."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the engine is, and who asks."""

    address: Address
    group: str
    """Gateways with the same group share."""
    member: str
    password: Callable[[], str | None]
    """Read again for each connection, so that a new password is soon used."""
    silent_s: float = SILENT_S

    @property
    def prefix(self) -> str:
        return "{gw:" + self.group + "}:"


class Session:
    """Two open connections. `on_message` receives (the channel without its prefix, the data)."""

    def __init__(
        self,
        place: Place,
        commands: AbstractConnection,
        messages: AbstractConnection,
        on_message: Callable[[str, bytes], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._prefix = place.prefix.encode()
        self._member = place.member.encode()
        self._commands = commands
        self._messages = messages
        self._on_message = on_message
        self._silent_s = place.silent_s
        self._unsent: list[tuple[Any, ...]] = []
        self._has_unsent = asyncio.Event()
        self._unanswered: deque[tuple[float, OnReply]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._loop = loop
        self.epoch = ""
        """The engine's memory, as this member knows it: commands are refused by any other one."""
        self.lost: Final[asyncio.Future[str]] = loop.create_future()
        """Why the session ended."""
        self._tasks = [
            loop.create_task(each) for each in (self._write(), self._read(), self._listen())
        ]

    def send(
        self, function: str, arguments: Sequence[Any], on_reply: OnReply, *, may_wait: bool = False
    ) -> None:
        """Calls a function. `on_reply` is called once, in any case. What `may_wait` leaves with the
        next command, after `LATER_S` at most."""
        self._put(self._call(function, arguments), on_reply, may_wait=may_wait)

    async def ask(self, function: str, *arguments: Any) -> Any:
        """The answer of a function. Raises `EngineAway`."""
        return unpack(await self._do(self._call(function, arguments)))

    def _call(self, function: str, arguments: Sequence[Any]) -> tuple[Any, ...]:
        name, packed = library.PREFIX + function, pack(arguments)
        return ("FCALL", name, 1, self._prefix, self._member, packed, self.epoch)

    async def prepare(self) -> None:
        """Finds out whether all functions may be used, and loads them where they are missing.
        Raises `EngineAway`."""
        member = self._member.decode()
        try:
            await self.ask("try_rights", member)
        except NoFunction:
            await self._load()
            await self.ask("try_rights", member)

    async def plain(self, *command: str) -> Any:
        """The answer of a command of the server. Raises `EngineAway`."""
        return await self._do(command)

    async def settings(self, *names: str) -> dict[str, str] | None:
        """Settings of the server; None where its user may not read them. Raises `EngineAway`."""
        try:
            found = await self._do(("CONFIG", "GET", *names))
        except EngineRefused:
            return None
        values = iter(each.decode() for each in found)
        return dict(zip(values, values, strict=True))

    async def _load(self) -> None:
        try:
            await self._do(("FUNCTION", "LOAD", library.source()))
        except EngineAway as error:
            if "already exists" not in str(error):  # another member was faster
                raise

    async def _do(self, call: tuple[Any, ...]) -> Any:
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._put(call, lambda reply: None if answer.done() else answer.set_result(reply))
        reply = await answer
        if reply is None:
            raise EngineAway(self.reason)
        if isinstance(reply, RedisError):
            if "unction not found" in str(reply):
                raise NoFunction(str(reply))
            raise EngineRefused(in_words(reply))
        return reply

    @property
    def reason(self) -> str:
        return self.lost.result() if self.lost.done() else "the connection ended"

    def end(self, reason: str) -> None:
        """Ends the session. Ending twice does nothing."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        for task in self._tasks:
            task.cancel()
        for timer in (self._alarm, self._later):
            if timer is not None:
                timer.cancel()
        unanswered, self._unanswered = self._unanswered, deque()
        for _, on_reply in unanswered:
            on_reply(None)

    async def aclose(self) -> None:
        """Closes the sockets, also where the caller is cancelled meanwhile."""
        self.end("the gateway stops")
        await _close((self._commands, self._messages))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the sockets ------------------------------------------------------------------------------

    def _put(self, call: tuple[Any, ...], on_reply: OnReply, *, may_wait: bool = False) -> None:
        if self.lost.done():
            on_reply(None)
            return
        self._unsent.append(call)
        self._unanswered.append((self._loop.time(), on_reply))
        if not may_wait:
            self._has_unsent.set()
        elif self._later is None:
            self._later = self._loop.call_later(LATER_S, self._has_unsent.set)
        if self._alarm is None:
            self._alarm = self._loop.call_later(self._silent_s, self._look)

    def _look(self, turns: int = TURNS) -> None:
        """Ends the session when the oldest command waits too long."""
        self._alarm = None
        if not self._unanswered or self.lost.done():
            return
        left_s = self._unanswered[0][0] + self._silent_s - self._loop.time()
        if left_s <= 0 and turns:
            self._loop.call_soon(self._look, turns - 1)
        elif left_s <= 0:
            self.end(f"it has not answered for {self._silent_s * 1000:.0f} ms")
        else:
            self._alarm = self._loop.call_later(left_s, self._look)

    async def _write(self) -> None:
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            calls, self._unsent = self._unsent, []
            if self._later is not None:
                self._later.cancel()
                self._later = None
            try:
                await self._commands.send_packed_command(b"".join(map(pack_command, calls)))
            except RedisError as error:
                self.end(in_words(error))
                return

    async def _read(self) -> None:
        while True:
            try:
                reply = await self._commands.read_response()
            except ResponseError as error:
                reply = error
            except (RedisError, OSError) as error:
                self.end(in_words(error))
                return
            if not self._unanswered or not isinstance(reply, bytes | list | RedisError):
                self.end("its answers cannot be read")
                return
            self._unanswered.popleft()[1](reply)

    async def _listen(self) -> None:
        while True:
            try:
                kind, channel, data = await self._messages.read_response()
            except (RedisError, OSError) as error:
                self.end(in_words(error))
                return
            except (TypeError, ValueError):
                self.end("its message cannot be read")
                return
            if kind == b"message":
                self._on_message(channel.removeprefix(self._prefix).decode(), data)


async def connect(place: Place, on_message: Callable[[str, bytes], None]) -> Session:
    """An open session. Raises `EngineAway`."""
    opened: list[AbstractConnection] = []
    try:
        async with asyncio.timeout(CONNECT_S):
            host = await _primary(place)
            for _ in range(2):
                opened.append(_connection(place, host, place.password()))
                await opened[-1].connect()  # type: ignore[no-untyped-call]
            channels = [f"{place.prefix}news", f"{place.prefix}to:{place.member}"]
            await opened[1].send_command("SUBSCRIBE", *channels)
            for _ in channels:
                await opened[1].read_response()
    except BaseException as error:  # a cancellation too: the gateway may stop meanwhile
        await _close(opened)
        if isinstance(error, RedisError | OSError | TimeoutError):
            raise EngineAway(in_words(error)) from error
        raise
    return Session(place, opened[0], opened[1], on_message)


async def _close(connections: Iterable[AbstractConnection]) -> None:
    """Closes the sockets, without waiting."""
    for connection in connections:
        with suppress(RedisError, OSError):
            await connection.disconnect(nowait=True)


def _connection(
    place: Place, host: tuple[str, int] | None, password: str | None
) -> AbstractConnection:
    address = place.address
    common: dict[str, Any] = {
        "db": address.database,
        "username": address.user,
        "password": password,
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_S,
        "protocol": 2,
        "driver_info": None,
    }
    if host is None:
        return UnixDomainSocketConnection(path=address.path, **common)
    kind = SSLConnection if address.is_tls else Connection
    return kind(host=host[0], port=host[1], **common)


async def _primary(place: Place) -> tuple[str, int] | None:
    """The server's address, from the first sentinel that knows it; None for a unix socket."""
    address = place.address
    if not address.master:
        return address.hosts[0] if address.hosts else None
    reason = "no sentinel answers"
    for host in address.hosts:
        try:
            async with asyncio.timeout(CONNECT_S / 2):
                return await _ask_sentinel(place, host)
        except (RedisError, OSError, TimeoutError, ValueError, TypeError) as error:
            reason = f"the sentinel {host[0]}:{host[1]}: {in_words(error)}"
    raise EngineAway(reason)


async def _ask_sentinel(place: Place, host: tuple[str, int]) -> tuple[str, int]:
    kind = SSLConnection if place.address.is_tls else Connection
    connection = kind(host=host[0], port=host[1], protocol=2, driver_info=None, socket_timeout=None)
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", place.address.master)
        found = await connection.read_response()
        if found is None:
            raise ValueError(f"it knows no primary {place.address.master}")
        name, port = found
        return name.decode(), int(port)
    finally:
        await connection.disconnect(nowait=True)


def in_words(error: BaseException) -> str:
    """Why the engine cannot be used, with the cure where there is one."""
    for kind, sign, words in _WORDS:
        if isinstance(error, kind) and sign in str(error):
            return words
    if isinstance(error, TimeoutError):
        return "it does not answer"
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return str(error).rstrip(".") or type(error).__name__


FORGOTTEN: Final = "it has lost its memory, which is restored"
_NO_RIGHTS: Final = "its user has not all rights that are needed: see docs/cluster.md"
_NO_LOGIN: Final = (
    "it refuses the user or the password: store it with `gateway credentials set cluster_redis`"
)
_WORDS: Final[Sequence[tuple[type[BaseException], str, str]]] = (
    (AuthenticationError, "", _NO_LOGIN),
    (RedisError, "invalid username-password pair", _NO_LOGIN),
    (NoPermissionError, "", _NO_RIGHTS),
    (RedisError, "user executing the script can't", _NO_RIGHTS),
    (RedisError, "ACL failure in script", _NO_RIGHTS),  # Valkey
    (OutOfMemoryError, "", "its memory is full: raise maxmemory, with the policy noeviction"),
    (ReadOnlyError, "", "it is a replica, which cannot be written"),
    (RedisError, "FORGOTTEN", FORGOTTEN),
)
"""(kind of error, a part of its text, our words)."""
