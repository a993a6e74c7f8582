"""The engine in the process itself: every question has its answer at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.shared.circuits import Circuits
from gateway.shared.engine import Command, Engine, News


class Local:
    """Implements `port.Shared`. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._engine = Engine()
        self._clock = clock
        self._listeners: list[Callable[[News], None]] = []

    def __repr__(self) -> str:
        return f"<Local {self._engine!r}>"

    @property
    def circuits(self) -> Circuits:
        return self._engine.circuits

    def ask(self, command: Command) -> Any:
        answer, news = self._engine.do(command, self._clock())
        for each in news:
            for listener in self._listeners:
                listener(each)
        return answer

    def tell(self, command: Command) -> None:
        self.ask(command)

    def subscribe(self, on_news: Callable[[News], None]) -> None:
        self._listeners.append(on_news)
