"""One connection's life: commands on one socket, messages on another. When one of them ends, both
do.

All commands of one turn of the loop leave in one write. Their answers come in the same order. A
command that was sent is never cancelled: its caller may leave, and its answer is still read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hiredis import ReplyError, pack_command

from gateway.shared.redis import library
from gateway.shared.redis.health import EngineAway
from gateway.shared.redis.link import Link, Reply, in_words, open_link
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
        commands: Link,
        messages: Link,
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
        self._unanswered: deque[tuple[float, OnReply]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Handle | None = None
        """The next turn of the loop, in which all unsent commands leave; None without any that must
        not wait."""
        self._later: asyncio.TimerHandle | None = None
        self._loop = loop
        self.epoch = ""
        """The engine's memory, as this member knows it: commands are refused by any other one."""
        self.lost: Final[asyncio.Future[str]] = loop.create_future()
        """Why the session ended."""
        commands.on_reply, messages.on_reply = self._replied, self._heard
        for link in (commands, messages):
            link.lost.add_done_callback(lambda lost: self.end(lost.result()))

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
        if isinstance(reply, ReplyError):
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
        for timer in (self._alarm, self._later, self._leaving):
            if timer is not None:
                timer.cancel()
        unanswered, self._unanswered = self._unanswered, deque()
        for _, on_reply in unanswered:
            on_reply(None)

    async def aclose(self) -> None:
        """Closes the sockets."""
        self.end("the gateway stops")
        for link in (self._commands, self._messages):
            link.close()

    # --- the sockets ------------------------------------------------------------------------------

    def _put(self, call: tuple[Any, ...], on_reply: OnReply, *, may_wait: bool = False) -> None:
        if self.lost.done():
            on_reply(None)
            return
        self._unsent.append(call)
        self._unanswered.append((self._loop.time(), on_reply))
        if not may_wait:
            if self._leaving is None:
                self._leaving = self._loop.call_soon(self._write)
        elif self._later is None:
            self._later = self._loop.call_later(LATER_S, self._write)
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

    def _write(self) -> None:
        """Sends all that is unsent."""
        calls, self._unsent = self._unsent, []
        for timer in (self._leaving, self._later):
            if timer is not None:
                timer.cancel()
        self._leaving = self._later = None
        if calls:
            self._commands.write(b"".join(map(pack_command, calls)))

    def _replied(self, reply: Any) -> None:
        if not self._unanswered or not isinstance(reply, bytes | list | ReplyError):
            self.end("its answers cannot be read")
            return
        self._unanswered.popleft()[1](reply)

    def _heard(self, message: Any) -> None:
        try:
            kind, channel, data = message
        except (TypeError, ValueError):
            self.end("its message cannot be read")
            return
        if kind == b"message":
            self._on_message(channel.removeprefix(self._prefix).decode(), data)


async def connect(place: Place, on_message: Callable[[str, bytes], None]) -> Session:
    """An open session. Raises `EngineAway`."""
    opened: list[Link] = []
    try:
        async with asyncio.timeout(CONNECT_S):
            host = await _primary(place)
            for _ in range(2):
                opened.append(await open_link(place.address, host))
                await _sign_in(opened[-1], place)
            for channel in ("news", f"to:{place.member}"):
                await opened[1].ask("SUBSCRIBE", place.prefix + channel)
    except BaseException as error:  # a cancellation too: the gateway may stop meanwhile
        for link in opened:
            link.close()
        if isinstance(error, OSError):
            raise EngineAway(in_words(error)) from error
        raise
    return Session(place, opened[0], opened[1], on_message)


async def _sign_in(link: Link, place: Place) -> None:
    """Raises `EngineAway`."""
    address, password = place.address, place.password()
    if address.user is not None:
        await link.ask("AUTH", address.user, password or "")
    elif password is not None:
        await link.ask("AUTH", password)
    if address.database:
        await link.ask("SELECT", str(address.database))


async def _primary(place: Place) -> tuple[str, int] | None:
    """The server's address, from the first sentinel that knows it; None for a unix socket. Raises
    `EngineAway`."""
    address = place.address
    if not address.master:
        return address.hosts[0] if address.hosts else None
    reason = "no sentinel answers"
    for host in address.hosts:
        try:
            async with asyncio.timeout(CONNECT_S / 2):
                return await _ask_sentinel(address, host)
        except (EngineAway, OSError, ValueError, TypeError) as error:
            reason = f"the sentinel {host[0]}:{host[1]}: {in_words(error)}"
    raise EngineAway(reason)


async def _ask_sentinel(address: Address, host: tuple[str, int]) -> tuple[str, int]:
    link = await open_link(address, host)
    try:
        found = await link.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master)
    finally:
        link.close()
    if found is None:
        raise ValueError(f"it knows no primary {address.master}")
    name, port = found
    return name.decode(), int(port)
