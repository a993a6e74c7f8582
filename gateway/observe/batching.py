"""Log lines that are written several at a time: a write per line would cost more than the line."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Final, TextIO

FLUSH_S: Final = 0.05
"""How long a line waits for company; errors do not wait."""


class Batched(logging.Handler):
    """Formats and writes records in batches while an event loop runs, at once otherwise."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._records: list[logging.LogRecord] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)
        if record.levelno >= logging.ERROR or not self._is_on_the_loop():
            self.flush()
        elif self._timer is None and self._loop is not None:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)

    def _is_on_the_loop(self) -> bool:
        """Whether this is the thread of a loop that runs. Asked anew only where the answer may have changed."""
        if self._loop is None or self._loop.is_closed() or not self._loop.is_running():
            try:
                self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
            except RuntimeError:
                self._loop = self._timer = None
        return self._loop is not None and threading.get_ident() == self._thread

    def _line(self, record: logging.LogRecord) -> str:
        """Nothing for a record that cannot be formatted: its neighbours are written all the same."""
        try:
            return self.format(record) + "\n"
        except Exception:
            self.handleError(record)
            return ""

    def flush(self) -> None:
        """Writes what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self.lock:  # type: ignore[union-attr]  # a handler has one from its beginning
            records, self._records = self._records, []
            if not records:
                return
            try:
                self._stream.write("".join(self._line(record) for record in records))
                self._stream.flush()
            except (OSError, ValueError):
                self.handleError(records[-1])
