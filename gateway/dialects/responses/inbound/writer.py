"""Writes events: their framing, and the number that each has."""

from __future__ import annotations

from typing import Any

from gateway.hub import exact_json


class Writer:
    """Collects the events of one stream. `sequence_number` counts from 0 without gaps."""

    def __init__(self) -> None:
        self.number = 0
        self._written: list[bytes] = []

    def event(self, kind: str, **fields: Any) -> None:
        body = exact_json.dumps({"type": kind, "sequence_number": self.number, **fields})
        self._written.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), body))
        self.number += 1

    def take(self) -> bytes:
        """The events since the last call."""
        written, self._written = self._written, []
        return b"".join(written)


class Silence(Writer):
    """Writes nothing: an answer that is not streamed is built by the same items."""

    def event(self, kind: str, **fields: Any) -> None:
        return
