"""The port of one worker among several: the engine runs in the supervisor, at the other end of a
socket.

The circuits are replicated: this process reads its own copy, and an opening takes effect here
before it is sent. The supervisor is asked only for what there is one of: a probe, a slot, reasoning
that another worker keeps. A question that is not answered in time is decided by the local rule, and
counted; an answer that comes too late is given back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final, NamedTuple

from gateway.shared.circuits import Change, Circuits
from gateway.shared.engine import (
    Admit,
    Close,
    Command,
    EndProbe,
    Engine,
    Give,
    Join,
    Keep,
    Leave,
    News,
    Open,
    Permit,
    Recall,
    Receive,
    Woken,
)
from gateway.shared.entries import Key
from gateway.shared.limits import (
    Decision,
    LimitState,
    LimitStates,
    Renew,
    Reserve,
    Seed,
    Settle,
    shares,
)
from gateway.shared.port import Pending
from gateway.shared.wire import Frames, Message, pack, read

log = logging.getLogger("gateway.workers")

ANSWER_S: Final = 0.25
"""Seconds to wait for the supervisor's answer. It is on the same host: only a stopped or starved
one takes longer."""
PAGES_S: Final = 0.5
"""Seconds to wait for the metrics of the other workers."""
READ_BYTES: Final = 256 * 1024

_ALSO_HERE: Final = (Open, Give, Settle, Renew, Seed)
"""Commands that this process carries out as well: an opening takes effect before it is reported,
and what was granted without the supervisor is kept here. So this process also knows what its own
calls have spent."""


class Question(NamedTuple):
    """A command whose answer is awaited."""

    command: Command
    answer: asyncio.Future[Any]


class Pages:
    """The metrics of the other workers, as they come in."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._expected: int | None = None
        self.complete = asyncio.Event()

    def expect(self, pages: int) -> None:
        self._expected = pages
        self._look()

    def add(self, text: str) -> None:
        self.texts.append(text)
        self._look()

    def _look(self) -> None:
        if self._expected is not None and len(self.texts) >= self._expected:
            self.complete.set()


class Workers:
    """Implements `port.Shared`. `workers` is their number, `snapshot` the circuits that were open
    at the fork."""

    def __init__(
        self,
        sock: socket.socket,
        orphaned: int,
        clock: Callable[[], float],
        *,
        workers: int,
        snapshot: list[Change],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._sock = sock
        self._orphaned = orphaned
        """A pipe whose end says that the supervisor is gone."""
        self._clock = clock
        self._workers = workers
        self._answer_s = answer_s
        self._local = Engine()
        """The replica of the circuits, and the slots of calls that were admitted without the
        supervisor."""
        self._listeners: list[Callable[[News], None]] = []
        self._numbers = count(1)
        self._questions: dict[int, Question] = {}
        self._pages: dict[int, Pages] = {}
        self._metrics: Callable[[], str] = lambda: ""
        self._frames = Frames()
        self._unsent = bytearray()
        self._waits_to_send = False
        self.unanswered = 0
        """Questions that the local rule decided."""
        for change in snapshot:
            self._local.do(Receive(change), clock())

    def __repr__(self) -> str:
        return f"<Workers {self._local!r} questions={len(self._questions)}>"

    # --- the port ---------------------------------------------------------------------------------

    @property
    def circuits(self) -> Circuits:
        return self._local.circuits

    def ask(self, command: Command) -> Pending:
        return Pending(self._ask(command))

    def tell(self, command: Command) -> None:
        if isinstance(command, _ALSO_HERE):
            _, news = self._local.do(command, self._clock())
            for each in news:
                self._publish(each)
        self._send(Message(type(command).__name__, 0, command))

    def subscribe(self, on_news: Callable[[News], None]) -> None:
        self._listeners.append(on_news)

    # --- the life of a worker ---------------------------------------------------------------------

    def join(self, metrics: Callable[[], str]) -> None:
        """Begins to listen, on the running loop. `metrics` gives this worker's own page."""
        self._metrics = metrics
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sock, self._read)
        loop.add_reader(self._orphaned, self._end)
        self._send(Message("ready"))

    def close(self) -> None:
        """Ends the connection. A process that ends need not call it."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock)
        loop.remove_writer(self._sock)
        loop.remove_reader(self._orphaned)
        self._sock.close()

    async def pages(self) -> list[str]:
        """The metrics of all workers, one page each; without those that do not answer within
        `PAGES_S`."""
        number = next(self._numbers)
        pages = self._pages[number] = Pages()
        self._send(Message("question", number))
        try:
            await asyncio.wait_for(pages.complete.wait(), PAGES_S)
        except TimeoutError:
            pass
        finally:
            del self._pages[number]
        return [self._metrics(), *pages.texts]

    def _end(self) -> None:
        """The supervisor is gone, and with it the only process that could stop this one."""
        asyncio.get_running_loop().remove_reader(self._orphaned)
        os.kill(os.getpid(), signal.SIGTERM)

    # --- questions --------------------------------------------------------------------------------

    async def _ask(self, command: Command) -> Any:
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._questions[number] = Question(command, answer)
        self._send(Message(type(command).__name__, number, command))
        try:
            await asyncio.wait((answer,), timeout=self._answer_s)
        except asyncio.CancelledError:
            if answer.done():
                self._give_back(command, answer.result())
            answer.cancel()
            raise
        if answer.done():
            return answer.result()
        answer.cancel()
        self.unanswered += 1
        return self._decide_alone(command)

    def _decide_alone(self, command: Command) -> Any:
        """The local rule: no probe is counted, and this worker takes its share of slots and
        limits."""
        if isinstance(command, Reserve):
            command = command._replace(charges=shares(command.charges, self._workers))
        if isinstance(command, Reserve | LimitStates):
            return self._local.do(command, self._clock())[0]
        return self._admit_alone(command) if isinstance(command, Admit) else None

    def _admit_alone(self, command: Admit) -> Permit | None:
        now = self._clock()
        if not command.anyway and not all(
            self.circuits.get(each).is_ready(now) for each in command.circuit_ids
        ):
            return None
        if command.slots_max is not None and not self._takes_share(command, command.slots_max):
            return None
        generations = tuple(self.circuits.get(each).generation for each in command.circuit_ids)
        no_probes = (False,) * len(generations)
        return Permit(
            command.ticket,
            command.circuit_ids,
            generations,
            no_probes,
            command.slots_max is not None,
        )

    def _takes_share(self, command: Admit, slots_max: int) -> bool:
        slots, model_id = self._local.slots, command.circuit_ids[0]
        if not slots.has_room(command.ticket, model_id, max(1, slots_max // self._workers)):
            return False
        slots.take(command.ticket, model_id)
        return True

    def _give_back(self, command: Command, answer: Any) -> None:
        """Returns what an answer grants to a call that does not want it any more."""
        if isinstance(command, Reserve) and answer.is_granted:
            self._send(Message(Settle.__name__, 0, Settle(command.ticket, ())))
        if not isinstance(answer, Permit):
            return
        for circuit_id, generation, is_probe in zip(*answer[1:4], strict=True):
            if is_probe:
                self.tell(EndProbe(circuit_id, generation))
        if answer.has_slot:
            self.tell(Give(answer.ticket, answer.circuit_ids[0]))

    # --- what the workers keep for each other -----------------------------------------------------

    def keep(self, key: Key, entry: Any, size: int) -> None:
        """Hands an entry to the supervisor. What is not plain data stays here."""
        try:
            self.tell(Keep(key, entry, size))
        except (TypeError, ValueError, OverflowError):
            log.debug("an entry cannot be shared")

    def keep_nothing(self, key: Key) -> None:
        """The supervisor is asked in any case: it is near."""

    async def recall(self, keys: list[Key]) -> list[tuple[Key, Any]]:
        """The entries that other workers have kept under these keys."""
        found = await self._ask(Recall(keys)) if keys else None
        return [(keys[place], entry) for place, entry in (found or {}).items()]

    # --- the socket -------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        """Without waiting: what the socket does not take now is sent when it does."""
        waiting = bool(self._unsent)
        self._unsent += pack(message)
        if not waiting:
            self._flush()

    def _flush(self) -> None:
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # the supervisor is gone; `_end` handles it
        if bool(self._unsent) != self._waits_to_send:
            self._waits_to_send = bool(self._unsent)
            loop = asyncio.get_running_loop()
            if self._waits_to_send:
                loop.add_writer(self._sock, self._flush)
            else:
                loop.remove_writer(self._sock)

    def _read(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except (BlockingIOError, ConnectionError):
            return
        for message in self._frames.feed(data):
            self._receive(message)

    def _receive(self, message: Message) -> None:
        kind, number, body = message
        if kind == "answer":
            self._answered(number, body)
        elif kind == "change":
            self._changed(read(body, Change))
        elif kind == "woken":
            self._publish(Woken(body))
        elif kind == "question":
            self._send(Message("page", number, (body, self._metrics())))
        elif kind == "expect" and number in self._pages:
            self._pages[number].expect(body)
        elif kind == "page" and number in self._pages:
            self._pages[number].add(body)

    def _answered(self, number: int, body: Any) -> None:
        command, future = self._questions.pop(number)
        answer = read(body, ANSWERS[type(command)])
        if future.done():
            self._give_back(command, answer)
        else:
            future.set_result(answer)

    def _changed(self, change: Change) -> None:
        self._local.do(Receive(change), self._clock())
        if change.state == "closed":
            self._publish(change)

    def _publish(self, news: News) -> None:
        for listener in self._listeners:
            listener(news)


COMMANDS: Final[Mapping[str, type[Any]]] = {
    each.__name__: each
    for each in (
        Admit, Close, EndProbe, Give, Join, Keep, Leave, LimitStates, Open, Recall, Renew, Reserve,
        Seed, Settle,
    )
}  # fmt: skip
"""The commands that workers send."""

ANSWERS: Final[Mapping[type, Any]] = {
    Admit: Permit | None,
    LimitStates: tuple[LimitState, ...],
    Recall: dict[int, Any],
    Reserve: Decision,
}
"""The answers' types."""
