"""The life of one member of a group: it connects, says each second that it is there, restores
what it holds there, and compares what it knows.

    away ──connected, rights, library, hello──▶ hello was quick ──restored, snapshot──▶ up
      ▲                                                                                    │
      └── the connection ended · silent for 250 ms · five answers in a row came late ──────┘
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from gateway.shared.circuits import Change, State
from gateway.shared.engine import News, Receive
from gateway.shared.redis import messages
from gateway.shared.redis.alone import Alone
from gateway.shared.redis.health import EngineAway, Group, Health, Member
from gateway.shared.redis.names import Names
from gateway.shared.redis.session import FORGOTTEN, Session

log = logging.getLogger("gateway.cluster")

DOUBT_S: Final = 0.25
"""Between two heartbeats while the engine is too slow."""
SNAPSHOT_BEATS: Final = 10
RECONNECT_S: Final = 0.1
RECONNECT_MAX_S: Final = 10.0

OnMessage = Callable[[str, bytes], None]
Connect = Callable[[OnMessage], Awaitable[Session]]


class Membership:
    """One process in the group. `clock` is monotonic and `wall` Unix time, both in seconds. An
    engine whose answers take longer than `wait_s` is not asked."""

    def __init__(
        self,
        connect: Connect,
        alone: Alone,
        names: Names,
        health: Health,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        wait_s: float,
        beat_s: float,
    ) -> None:
        self._connect = connect
        self._alone = alone
        self._names = names
        self._health = health
        self._clock = clock
        self._wall = wall
        self._wait_s = wait_s
        self._beat_s = beat_s
        self._known_facts = ""
        """What the others know of this member."""
        self.task: asyncio.Task[None] | None = None
        """The beats of this member; None before `begin`."""
        self._epoch = ""
        self._said = 0
        self._heard = 0
        self._failures = 0
        self._is_back: Callable[[], None] = lambda: None
        self.session: Session | None = None
        self.facts: dict[str, Any] = {}
        """Describes this member to the others."""
        self.publish: Callable[[Sequence[News]], None] = lambda news: None
        self.on_emptied: Callable[[], None] = lambda: None
        """Called when the engine has lost its memory."""
        self.on_keys: Callable[[str], None] = lambda version: None
        """Called each second, and when they change, with the version of the clients' keys."""

    def __repr__(self) -> str:
        return f"<Membership {self._names.member} epoch={self._epoch!r}>"

    def begin(self, on_message: OnMessage, is_back: Callable[[], None]) -> None:
        """Begins, on the running loop. `is_back` is called whenever the engine may be asked
        again."""
        self._is_back = is_back
        self.task = asyncio.get_running_loop().create_task(self._run(on_message))

    async def aclose(self) -> None:
        """Leaves the group."""
        if self.session is not None and not self._alone.is_away:
            with suppress(EngineAway):
                await self.session.ask("gone", self._names.member)
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def ask(self, function: str, *arguments: Any) -> Any:
        """The answer of a function, which no call waits for. Raises `EngineAway`."""
        if self.session is None or self._alone.is_away:
            raise EngineAway(self._health.reason or "it was not reached yet")
        return await self.session.ask(function, *arguments)

    async def group(self) -> Group:
        """The group as this member sees it."""
        members = await self._members()
        health = self._health
        return Group(
            up=health.is_up,
            reason=None if health.is_up else health.reason or "it was not reached yet",
            round_trip_ms=round(health.round_trip_s * 1000, 2),
            clock_offset_s=round(health.clock_offset_s, 3),
            members=sorted(members, key=lambda member: (member.host, member.pid)),
        )

    async def _members(self) -> list[Member]:
        try:
            found = await self.ask("members")
        except EngineAway:
            return []
        return [Member.read(name, silent_us, facts) for name, silent_us, facts in found]

    def heard(self, word: int) -> None:
        """A word of this member has come back as a message."""
        self._heard = max(self._heard, word)

    def keys_changed(self, version: int) -> None:
        """The engine has the clients' keys in this version; an engine without memory begins
        again."""
        self.on_keys(f"{self._epoch} {version}")

    def go_away(self, reason: str) -> None:
        """This process decides alone from now on."""
        if self._health.is_up or self._health.reason is None:
            log.warning("the engine is away, and this gateway decides alone: %s", reason)
        self._health.away(reason, self._clock())
        if not self._alone.is_away:
            self._alone.begin(self._clock())

    def end(self, reason: str) -> None:
        """Ends the connection; another one follows."""
        if self.session is not None:
            self.session.end(reason)
        self.go_away(reason)

    async def _run(self, on_message: OnMessage) -> None:
        while True:
            try:
                self.session = await self._connect(on_message)
                try:
                    await self._live(self.session)
                finally:
                    await self.session.aclose()
            except EngineAway as error:
                self.go_away(str(error))
            except (msgspec.MsgspecError, TypeError, ValueError, LookupError):
                self.go_away("its answer cannot be read")
            except Exception:
                log.exception("the cluster: internal error")
                self.go_away("an internal error")
            ceiling_s = min(RECONNECT_MAX_S, RECONNECT_S * 2.0 ** min(self._failures, 10))
            self._failures += 1
            await asyncio.sleep(ceiling_s * secrets.randbelow(1000) / 1000)

    async def _live(self, session: Session) -> None:
        self._said = self._heard = 0
        self._known_facts = ""
        await session.prepare()
        beats = 0
        while True:
            is_quick = await self._beat(session)
            if self._alone.is_away and is_quick:
                await self._return(session)
            elif not self._alone.is_away and beats % SNAPSHOT_BEATS == 0:
                await self._compare(session)
            beats += 1
            pause_s = min(DOUBT_S, self._beat_s) if self._alone.is_away else self._beat_s
            await asyncio.wait((session.lost,), timeout=pause_s)
            if session.lost.done():
                raise EngineAway(session.reason)

    async def _beat(self, session: Session) -> bool:
        """Says that this member is there. Returns whether the answer was quick. Raises
        `EngineAway`."""
        if self._said > self._heard + 1:
            raise EngineAway("its messages do not arrive")
        self._said += 1
        facts = msgspec.json.encode(self.facts).decode()
        stated = "" if facts == self._known_facts else facts
        member, epoch, sent_at = self._names.member, secrets.token_hex(8), self._clock()
        found = await session.ask("hello", member, stated, epoch, self._said)
        took_s = self._clock() - sent_at
        epoch, is_known, members, now_us, keys = found
        self._known_facts = facts
        self._health.met(members, took_s, now_us / 1e6 + took_s / 2 - self._wall())
        is_first, is_new = not self._epoch, epoch != self._epoch
        self._epoch = session.epoch = epoch
        if is_new and not is_first:
            self._restore(session)
        elif not is_known and not self._alone.is_away:
            self.go_away("this member was silent, and what it held was given to others")
        self.keys_changed(keys)
        return took_s <= self._wait_s

    def _restore(self, session: Session) -> None:
        """The engine has lost its memory, and begins with what this member knows. What was sent in
        this session, and is unanswered, is a part of that: so another one begins, unless this word
        is the first of all. Raises `EngineAway`."""
        is_unused = self._said == 1
        if not is_unused:
            self._failures = 0
            session.end(FORGOTTEN)
        self.on_emptied()
        if not is_unused:
            raise EngineAway(FORGOTTEN)

    async def _return(self, session: Session) -> None:
        """Restores in the engine what this member holds, reads all circuits, and is up."""
        held = self._alone.all_held(self._names, self._clock())
        self._alone.end(self._clock())
        try:
            self._health.slots_over = await session.ask("restore", *held)
            await self._compare(session)
        except BaseException:
            self._alone.begin(self._clock())
            raise
        self._failures = 0
        self._health.up(self._clock())
        self._is_back()
        log.info("the engine is there, and shared by %d", self._health.members)

    async def _compare(self, session: Session) -> None:
        """Repairs what lost messages have left wrong."""
        circuits, engine = self._alone.engine.circuits, self._alone.engine
        known = {each.id: each.generation for each in circuits if each.state is not State.CLOSED}
        found = messages.changes(await session.ask("snapshot"), self._names)
        now = self._clock()
        for change in found:
            circuit = circuits.get(change.circuit_id)
            if change.generation > circuit.generation or circuit.state is State.CLOSED:
                engine.do(Receive(change), now)
        still_open = {change.circuit_id for change in found}
        for circuit_id, generation in known.items():
            is_same = circuits.get(circuit_id).generation == generation
            if circuit_id not in still_open and is_same:
                closed = Change(circuit_id, "closed", generation=generation, is_own=False)
                self.publish(engine.do(Receive(closed), now)[1])
