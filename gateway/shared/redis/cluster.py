"""The port of one gateway among several: the engine is a function library in Redis.

Circuits are read here; a message tells every member of a change. The engine is asked only for what
there is one of: a probe, a slot, a part of a limit. A call waits for it no longer than `wait_s`,
and no call fails because of it: without an answer in time this process decides alone
(`alone.py`), and what a late answer grants is given back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.shared.circuits import CircuitId, Circuits
from gateway.shared.engine import (
    Admit,
    Close,
    Command,
    EndProbe,
    Give,
    News,
    Open,
    Permit,
    Receive,
    Woken,
)
from gateway.shared.limits import Decision, LimitStates, Renew, Reserve, Seed, Settle
from gateway.shared.port import Pending
from gateway.shared.redis import messages
from gateway.shared.redis.alone import Alone
from gateway.shared.redis.health import Health
from gateway.shared.redis.membership import Membership
from gateway.shared.redis.names import Names
from gateway.shared.redis.seal import Seal
from gateway.shared.redis.session import TURNS, Place, Reply, connect, in_words
from gateway.shared.redis.vault import Vault
from gateway.text.limits import WhenDown
from gateway.types import Model

log = logging.getLogger("gateway.cluster")

LATE_MAX: Final = 5
"""So many late answers in a row end the asking."""
DENIED_S: Final = 0.25
"""How long a process asks no more for a probe that another call has."""
OUTBOX_MAX: Final = 10_000
DIGEST_CHARS: Final = 8

_LATE: Final = object()


class Cluster:
    """Implements `port.Shared`. `clock` is monotonic and `wall` Unix time, both in seconds; `host`
    names the ledger that seeds budgets."""

    def __init__(
        self,
        membership: Membership,
        alone: Alone,
        names: Names,
        health: Health,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        wait_s: float,
        host: str,
    ) -> None:
        self.membership: Final = membership
        self.health: Final = health
        self._alone = alone
        self.names: Final = names
        self.vault: Final = Vault(self) if names.seal is not None else None
        """What clients drop, where the members share it."""
        self._clock = clock
        self._wall = wall
        self._wait_s = wait_s
        self._host = host
        self._listeners: list[Callable[[News], None]] = []
        self._outbox: deque[Command] = deque(maxlen=OUTBOX_MAX)
        self._denied: dict[CircuitId, float] = {}
        self._late = 0
        membership.publish = self._publish
        membership.on_emptied = self._emptied

    def __repr__(self) -> str:
        return f"<Cluster {self._alone!r} outbox={len(self._outbox)}>"

    # --- the port ---------------------------------------------------------------------------------

    @property
    def circuits(self) -> Circuits:
        return self._alone.engine.circuits

    def ask(self, command: Command) -> Any | Pending:
        if self._alone.is_away:
            return self._decide_alone(command, "away")
        if isinstance(command, Admit) and self._is_denied(command):
            return None
        return Pending(self._ask(command))

    def tell(self, command: Command) -> None:
        generation = 0
        if isinstance(command, Open):
            generation = self.circuits.get(command.circuit_id).generation
        elif isinstance(command, Seed):
            command = command._replace(host=self._host)
        self._publish(self._alone.told(command, self._clock()))
        if self._alone.is_away:
            self._keep(command)
        else:
            self._send(command, generation)

    def subscribe(self, on_news: Callable[[News], None]) -> None:
        self._listeners.append(on_news)

    def configured(self, models: Iterable[Model], config: Any, version: str) -> None:
        """These models are in force: their circuits matter here. The other members see a digest of
        `config`, so that one which was configured otherwise is found."""
        for model in models:
            for circuit_id in (model.key, model.credential_key):
                self.names.circuit(circuit_id)
        self.membership.facts |= {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": version,
            "config": sha256(msgspec.json.encode(config)).hexdigest()[:DIGEST_CHARS],
        }

    def now(self) -> float:
        """Unix time by the engine's clock, so that all members name the same period."""
        return self._wall() + self.health.clock_offset_s

    # --- its life ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begins to talk to the engine, on the running loop."""
        self.membership.begin(self._on_message, self._is_back)

    def _emptied(self) -> None:
        """Budgets begin again with all that this member has counted; what it kept for the engine is
        a part of that."""
        kept = [each for each in self._outbox if not isinstance(each, Settle | Seed)]
        self._outbox.clear()
        self._outbox.extend([*kept, *self._alone.counted(self.names.member, self._clock())])

    def _is_back(self) -> None:
        """The engine knows what this member holds: what was kept for it follows."""
        self._late = 0
        self._denied.clear()
        outbox = list(self._outbox)
        self._outbox.clear()
        self.health.outbox = 0
        for command in outbox:
            self._send_late(command)

    def _send_late(self, command: Command) -> None:
        is_held = isinstance(command, Settle) and self._alone.holds(command.ticket)
        if not is_held:  # else the engine has the hold again, and its own settlement follows
            self._send(command)

    # --- questions --------------------------------------------------------------------------------

    async def _ask(self, command: Command) -> Any:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        session, sent_at = self.membership.session, self._clock()
        if session is None or self._alone.is_away:
            return self._decide_alone(command, "away")
        function, arguments = messages.question(command, self.names)
        session.send(function, arguments, partial(self._answered, command, answer, sent_at))
        timer = loop.call_later(self._wait_s, _give_up, answer)
        try:
            found = await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled():
                self._return_grant(command, answer.result())
            raise
        finally:
            timer.cancel()
        if found is not _LATE:
            return found
        return self._decide_alone(command, "away" if session.lost.done() else "late")

    def _answered(
        self, command: Command, answer: asyncio.Future[Any], sent_at: float, reply: Reply
    ) -> None:
        if not isinstance(reply, bytes | list):
            self._refused(reply)
            if isinstance(command, Reserve):  # it may have been carried out
                self._keep(Settle(command.ticket, (), is_again=True))
            if not answer.done():
                answer.set_result(_LATE)
            return
        took_s = self._clock() - sent_at
        self.health.asked(type(command).__name__, "answered", took_s)
        try:
            raw = messages.unpack(reply) if isinstance(reply, bytes) else reply
            found = messages.answer(command, raw, self.names)
        except (msgspec.MsgspecError, TypeError, ValueError, LookupError):
            self.membership.end("its answer cannot be read")
            found = _LATE
        if answer.done():
            self._return_grant(command, found)
            return
        if found is not _LATE:
            self._late = 0
            self._alone.heard(command, found, self._clock())
            self._note_denied(command, found)
        answer.set_result(found)

    def _decide_alone(self, command: Command, why: str) -> Any:
        self.health.asked(type(command).__name__, why)
        if why == "late" and not isinstance(command, LimitStates):  # which no call waits for
            self._late += 1
            if self._late >= LATE_MAX and not self._alone.is_away:
                self.membership.go_away(f"{LATE_MAX} answers took longer than waitMs")
        answer, news = self._alone.decide(command, self._clock())
        self._publish(news)
        return answer

    def _is_denied(self, command: Admit) -> bool:
        """Whether another call has just been found to probe the model."""
        if not self._denied or command.slots_max is not None:
            return False
        return self._denied.get(command.circuit_ids[0], 0.0) > self._clock()

    def _note_denied(self, command: Command, found: Any) -> None:
        if isinstance(command, Admit) and found is None and command.slots_max is None:
            self._denied[command.circuit_ids[0]] = self._clock() + DENIED_S

    def _return_grant(self, command: Command, answer: Any) -> None:
        """Gives back what an answer grants to a call that has left, or that went on alone and holds
        nothing."""
        if isinstance(answer, Decision) and isinstance(command, Reserve):
            if answer.is_granted and not self._alone.holds(command.ticket):
                self._send(Settle(command.ticket, (), is_again=True))
        elif isinstance(answer, Permit):
            self._return_permit(answer)

    def _return_permit(self, permit: Permit) -> None:
        for circuit_id, generation, is_probe in zip(*permit[1:4], strict=True):
            if is_probe and not self._alone.probes(permit.ticket, circuit_id, generation):
                self._send(EndProbe(circuit_id, generation))
        if permit.has_slot and not self._alone.has_slot(permit.ticket):
            self._send(Give(permit.ticket, permit.circuit_ids[0]))

    # --- commands without an answer ---------------------------------------------------------------

    def _send(self, command: Command, generation: int = 0) -> None:
        session = self.membership.session
        if session is None:
            self._keep(command)
            return
        function, arguments = messages.question(command, self.names, generation)
        may_wait = isinstance(command, Settle | Seed | Renew)
        session.send(function, arguments, partial(self._told, command), may_wait=may_wait)

    def _told(self, command: Command, reply: Reply) -> None:
        if isinstance(reply, bytes):
            return
        self._refused(reply)
        if isinstance(command, Settle):
            command = command._replace(is_again=True)
        self._keep(command)

    def _keep(self, command: Command) -> None:
        """For when the engine is back. Slots, probes, waiting calls and circuits are restored as
        they are then."""
        if isinstance(command, Settle | Seed) or (
            isinstance(command, Close) and command.generation is None
        ):
            self._outbox.append(command)
        self.health.outbox = len(self._outbox)

    def _refused(self, reply: Reply) -> None:
        """An error instead of an answer: the engine cannot be used."""
        if isinstance(reply, Exception):
            self.membership.end(in_words(reply))

    # --- messages ---------------------------------------------------------------------------------

    def _on_message(self, channel: str, data: bytes) -> None:
        try:
            found = messages.unpack(data)
            if channel == "news":
                self._hear(found)
            elif isinstance(found, int):
                self.membership.heard(found)
            else:
                self._publish([messages.woken(found)])
        except (msgspec.MsgspecError, TypeError, ValueError, LookupError):
            log.debug("a message of the cluster cannot be read")

    def _hear(self, found: Any) -> None:
        self.health.received(found[0])
        if found[0] == "keys":
            self.membership.keys_changed(found[1])
            return
        change = messages.change(found, self.names)
        if change is None:
            return
        self._denied.pop(change.circuit_id, None)
        if change.state == "closed" and change.is_own:
            return  # it took effect here before it was sent
        self._publish(self._alone.engine.do(Receive(change), self._clock())[1])

    def _publish(self, news: Sequence[News]) -> None:
        for each in news:
            if isinstance(each, Woken):
                self._alone.woken(each.ticket)
            for listener in self._listeners:
                listener(each)


def _give_up(answer: asyncio.Future[Any], turns: int = TURNS) -> None:
    if answer.done():
        return
    if turns:
        asyncio.get_running_loop().call_soon(_give_up, answer, turns - 1)
    else:
        answer.set_result(_LATE)


@dataclass(frozen=True, slots=True)
class Settings:
    """`[cluster]`."""

    wait_s: float = 0.02
    when_down: WhenDown = "share"
    beat_s: float = 1.0
    """Between two heartbeats."""
    members_min: int = 1
    """The processes that share before the engine has said how many there are."""


def cluster(
    place: Place,
    settings: Settings,
    *,
    host: str,
    clock: Callable[[], float],
    wall: Callable[[], float],
    seal: Seal | None = None,
) -> Cluster:
    """One member of the group at `place`. `host` names the ledger that seeds budgets; with a `seal`
    the members share what clients drop."""
    health = Health(settings.members_min)
    names = Names(place.member, seal)
    alone = Alone(settings.when_down, health.sharing)
    common: dict[str, Any] = {"clock": clock, "wall": wall, "wait_s": settings.wait_s}
    begin = partial(connect, place)
    member = Membership(begin, alone, names, health, beat_s=settings.beat_s, **common)
    return Cluster(member, alone, names, health, host=host, **common)
