"""Log lines that a thread of their own formats and writes: a reader that stops reading holds up
nothing but them.

A call only puts its record into a queue. Lines that find no room there, or that cannot be written
(a full disk, a pipe whose reader is gone), are lost: they are counted, and the next line that can
be written says how many they were.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final, NamedTuple, Protocol, TextIO, cast

from gateway.types import Call

FLUSH_S: Final = 0.05
"""How long a line waits for company; errors do not wait."""
RECORDS_MAX: Final = 5_000
"""Lines that wait to be written; any further one is lost."""
WAIT_S: Final = 1.0
"""How long the end of the process, or a command that serves nothing, waits for its lines to be
written."""

Write = Callable[[str], object]


class CallEnded(NamedTuple):
    """A call that is over, as it waits for its line. It changes no more."""

    call: Call
    status: int
    seconds: float
    at: float
    """Unix time."""


class CallFormatter(Protocol):
    """A `logging.Formatter` that knows calls too."""

    def format_call(self, ended: CallEnded) -> str: ...


_Item = logging.LogRecord | CallEnded | str


class Batched(logging.Handler):
    """Hands records to the thread that writes them. Where no event loop runs, it waits for the line
    to be written."""

    def __init__(
        self, stream: TextIO, records_max: int = RECORDS_MAX, wait_s: float = WAIT_S
    ) -> None:
        super().__init__()
        self.lost = 0
        """Lines that were not written."""
        self._write = _writer(stream)
        self._records_max = records_max
        self._wait_s = wait_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._waiting: deque[_Item] = deque()
        self._filled = threading.Event()
        self._urgent = threading.Event()
        self._progress = threading.Condition()
        self._taken = self._done = 0
        self._reported = self.lost
        self._is_stuck = False
        self._thread: threading.Thread | None = None

    def put(self, ended: CallEnded) -> None:
        """Has the line of a call written, if the formatter is a `CallFormatter`."""
        with self.lock or nullcontext():
            self._put(ended, urgent=False)

    def emit(self, record: logging.LogRecord) -> None:
        self._put(record, urgent=record.levelno >= logging.ERROR)

    def show(self, text: str) -> None:
        """Writes `text` as it is, in its turn."""
        self.acquire()
        try:
            self._put(text, urgent=True)
        finally:
            self.release()

    def flush(self) -> None:
        """Waits until everything so far is written, or for `wait_s`."""
        thread, end = self._thread, self._taken
        if thread is None or thread is threading.current_thread() or self._pid != os.getpid():
            return
        self._urgent.set()
        self._filled.set()
        with self._progress:
            self._is_stuck = not self._progress.wait_for(lambda: self._done >= end, self._wait_s)

    def close(self) -> None:
        """Writes what waits, and ends the thread. A later record begins another one."""
        if not self._is_stuck:
            self.flush()
        self._thread = None
        self._filled.set()
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's own name
        """Counts a record that cannot be formatted: to print a traceback could wait for the reader
        of this log."""
        self.lost += 1

    def _put(self, item: _Item, *, urgent: bool) -> None:
        if self._pid != os.getpid():
            # in a child the thread does not run, and what waited is the parent's to write
            self._begin()
        if len(self._waiting) >= self._records_max:
            self.lost += 1
            return
        self._waiting.append(item)
        self._taken += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
        if urgent:
            self._urgent.set()
        if not self._filled.is_set():
            self._filled.set()
        is_known_to_serve = self._loop is not None and self._loop.is_running()
        if not (is_known_to_serve or self._is_stuck or self._is_serving()):
            self.flush()

    def _is_serving(self) -> bool:
        """Whether an event loop runs, which must not wait for a line."""
        if self._loop is None or self._loop.is_closed() or not self._loop.is_running():
            try:
                self._loop = asyncio.get_running_loop()
            except RuntimeError:
                self._loop = None
        return self._loop is not None

    def _run(self) -> None:
        """The thread's own work, until another thread has its place."""
        while self._thread is threading.current_thread():
            self._filled.wait()
            self._filled.clear()
            self._urgent.wait(FLUSH_S)
            self._urgent.clear()
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        count = len(self._waiting)
        if not count:
            return
        text = "".join(self._line(self._waiting.popleft()) for _ in range(count))
        try:
            self._write(text)
            self._report()
        except (OSError, ValueError):
            self.lost += count
        with self._progress:
            self._is_stuck = False
            self._done += count
            self._progress.notify_all()

    def _report(self) -> None:
        """Says how many lines are missing. Raises what `_write` raises."""
        lost = self.lost - self._reported
        if not lost:
            return
        words = "%d log lines are lost: they were not read, or could not be written"
        self._write(
            self._line(
                logging.LogRecord("gateway.log", logging.WARNING, "", 0, words, (lost,), None)
            )
        )
        self._reported += lost

    def _line(self, item: _Item) -> str:
        """Nothing for a record that cannot be formatted: its neighbours are written all the
        same."""
        if isinstance(item, str):
            return item
        try:
            return self._formatted(item) + "\n"
        except Exception:
            if isinstance(item, CallEnded):
                self.lost += 1
            else:
                self.handleError(item)
            return ""

    def _formatted(self, item: logging.LogRecord | CallEnded) -> str:
        if isinstance(item, CallEnded):
            return cast(CallFormatter, self.formatter).format_call(item)
        return self.format(item)


def _writer(stream: TextIO) -> Write:
    """What writes to the file behind `stream`: its own lock would be held while the file blocks,
    and the end of the process waits for that lock. A stream without a file is written to as it
    is."""
    try:
        file = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return lambda text: (stream.write(text), stream.flush())
    return lambda text: _write_all(file, text.encode("utf-8", "backslashreplace"))


def _write_all(file: int, data: bytes) -> None:
    """Waits as long as it takes. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(file, rest) :]
        except BlockingIOError:
            ready = select.poll()
            ready.register(file, select.POLLOUT)
            ready.poll()
