"""The port through which a process reaches what the processes of a gateway know together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from gateway.shared.circuits import Circuits
from gateway.shared.engine import Command, News


class Pending(NamedTuple):
    """A question whose answer another process gives. The wait is bounded, and ends in an answer in
    any case."""

    answer: Awaitable[Any]


class Shared(Protocol):
    """One engine, wherever it runs."""

    @property
    def circuits(self) -> Circuits:
        """The circuits as this process knows them; only the port changes them."""
        ...

    def ask(self, command: Command) -> Any | Pending:
        """The answer as `Engine` gives it, or a `Pending` for it."""
        ...

    def tell(self, command: Command) -> None:
        """Hands over a command whose answer is not needed. Never waits, never raises."""
        ...

    def subscribe(self, on_news: Callable[[News], None]) -> None:
        """Calls `on_news` for every piece of news, in the order of subscription."""
        ...
