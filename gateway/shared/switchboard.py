"""The supervisor's end of the port: runs the engine for all workers, and passes their metrics
round.

Pure: a message of one worker in, messages to workers out. `process/workers.py` has the sockets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gateway.shared.circuits import Change
from gateway.shared.engine import Command, Engine, Gone, News, Permit, Snapshot, Woken
from gateway.shared.wire import Message, read
from gateway.shared.workers import COMMANDS

Outgoing = Iterator[tuple[int, Message]]
"""(the process id of a worker, a message to it)."""


class Switchboard:
    """Workers are named by their process ids. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._engine = Engine()
        self._workers: set[int] = set()
        self._ready: set[int] = set()

    def __repr__(self) -> str:
        return f"<Switchboard workers={sorted(self._ready)} {self._engine!r}>"

    @property
    def ready(self) -> int:
        """How many workers serve."""
        return len(self._ready)

    def snapshot(self, now: float) -> list[Change]:
        """The open circuits, for a worker that starts."""
        changes: list[Change] = self._engine.do(Snapshot(), now)[0]
        return changes

    def started(self, worker: int) -> None:
        """A worker was forked: news is for it, too, from now on."""
        self._workers.add(worker)

    def gone(self, worker: int, now: float) -> Outgoing:
        """A worker has ended: what its calls held becomes free."""
        self._workers.discard(worker)
        self._ready.discard(worker)
        _, news = self._engine.do(Gone(worker), now)
        yield from self._spread(news, worker)

    def receive(self, worker: int, message: Message, now: float) -> Outgoing:
        """What follows from a worker's message."""
        kind, number, body = message
        if kind in COMMANDS:
            yield from self._do(worker, number, read(body, COMMANDS[kind]), now)
        elif kind == "ready":
            self._ready.add(worker)
        elif kind == "question":
            others = self._ready - {worker}
            yield worker, Message("expect", number, len(others))
            for other in others:
                yield other, Message("question", number, worker)
        elif kind == "page":
            asker, text = body
            yield asker, Message("page", number, text)

    def _do(self, worker: int, number: int, command: Any, now: float) -> Outgoing:
        answer, news = self._engine.do(_signed(command, worker), now)
        if number:
            yield worker, Message("answer", number, _plain(answer))
        yield from self._spread(news, worker)

    def _spread(self, news: list[News], cause: int) -> Outgoing:
        """A wake-up goes to the worker that has the call, a change of a circuit to all."""
        for each in news:
            if isinstance(each, Woken):
                yield _woken(each)
                continue
            for worker in self._workers:
                # it has reported its own openings already
                own = worker == cause and each.state == "closed"
                yield worker, Message("change", 0, replace(each, is_own=own))


def _signed(command: Any, worker: int) -> Command:
    """`command` with its ticket named for all workers."""
    if "ticket" in getattr(command, "_fields", ()):
        command = command._replace(ticket=(worker, command.ticket))
    signed: Command = command
    return signed


def _woken(news: Woken) -> tuple[int, Message]:
    assert isinstance(news.ticket, tuple), "`_signed` names the worker in every ticket"
    worker, ticket = news.ticket
    return worker, Message("woken", 0, ticket)


def _plain(answer: Any) -> Any:
    """An answer with its ticket as the worker named it."""
    if isinstance(answer, Permit) and isinstance(answer.ticket, tuple):
        return answer._replace(ticket=answer.ticket[1])
    return answer
