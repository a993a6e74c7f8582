"""A streamed answer as a list of parts, before it becomes bytes: what a fault can cut, break,
repeat or leave out."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import orjson

Role = Literal["head", "content", "finish", "usage", "done", "error"]


class Part(NamedTuple):
    """One server-sent event of a provider."""

    role: Role
    """Its purpose: opening, content, the finish reason, usage, the terminator, or an error."""
    data: Any
    """A JSON value, or text that is sent unchanged."""
    name: str | None = None

    def encode(self) -> bytes:
        text = self.data if isinstance(self.data, str) else orjson.dumps(self.data).decode()
        event = f"event: {self.name}\n" if self.name else ""
        return f"{event}data: {text}\n\n".encode()


class ErrorAnswer(NamedTuple):
    """An error as a provider sends it."""

    status: int
    headers: dict[str, str]
    body: Any
