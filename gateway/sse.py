"""Bytes to server-sent events, and back.

Knows the framing of the WHATWG specification (HTML standard, section 9.2) and nothing of what
events mean. Wherever the bytes are cut, the events are the same. Lines end at CRLF, LF or CR and
nowhere else: U+2028 is legal inside JSON, which is why no text-line iterator is used.
"""

from __future__ import annotations

from typing import Final, NamedTuple

EVENT_BYTES_MAX: Final = 16 * 1024 * 1024
"""An event larger than this is an error: a provider that never ends a line must not fill our
memory."""

BOM: Final = b"\xef\xbb\xbf"
"""A byte order mark. It may precede a stream, or JSON, and means nothing."""

DONE: Final = b"data: [DONE]\n\n"
_DATA: Final = b"data: "


class Event(NamedTuple):
    """One event: its name (b"" when unnamed) and its data, lines joined by a newline."""

    name: bytes
    data: bytes
    lines: bytes = b""
    """The event as it came, line ends as LF, without the blank line that ends it; b"" for one made
    here."""

    @property
    def raw(self) -> bytes:
        """The event's own bytes with the blank line, for a client of the same format."""
        if self.lines:
            return self.lines + b"\n\n"
        name = b"event: " + self.name + b"\n" if self.name else b""
        return name + b"data: " + self.data.replace(b"\n", b"\ndata: ") + b"\n\n"


class EventTooLarge(ValueError):
    """An event grew beyond `EVENT_BYTES_MAX`."""


class Decoder:
    """Collects bytes and hands out the events they complete. Comments and empty events are
    skipped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._skip_lf = False
        self._start: bytes | None = b""
        """The first bytes, which may yet turn out to be a byte order mark; None once that is
        known."""

    def decode(self, data: bytes) -> list[Event]:
        """The events completed by `data`. Raises `EventTooLarge`."""
        if self._start is not None:
            data = self._without_mark(data)
        if b"\r" in data or self._skip_lf:
            data = self._newlines(data)
        if not self._buffer and data[-2:] == b"\n\n":
            # the common case: whole events in one read, nothing held back; often one of one line
            if data[:6] == _DATA and data.find(b"\n") == len(data) - 2:
                return [Event(b"", data[6:-2], data[:-2])]
            return _events(data)
        self._buffer += data
        end = self._buffer.rfind(b"\n\n", max(self._searched - 1, 0))
        self._searched = len(self._buffer)
        if end < 0:
            if self._searched > EVENT_BYTES_MAX:
                raise EventTooLarge(f"a server-sent event exceeds {EVENT_BYTES_MAX} bytes")
            return []
        complete = bytes(self._buffer[: end + 2])
        del self._buffer[: end + 2]
        self._searched = len(self._buffer)
        return _events(complete)

    def flush(self) -> list[Event]:
        """The event left over at a clean end: providers do omit the last blank line."""
        remaining, self._buffer = bytes(self._buffer), bytearray()
        return _events(remaining.rstrip(b"\n"))

    def _without_mark(self, data: bytes) -> bytes:
        """`data` without the mark that may precede it, in one piece or in several; it would spoil
        the first field."""
        start = (self._start or b"") + data
        if len(start) < len(BOM) and BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(BOM)

    def _newlines(self, data: bytes) -> bytes:
        """Every line end as LF. A CR at the end counts at once; the LF that may follow it is then
        skipped."""
        if self._skip_lf and data:
            self._skip_lf = False
            if data[:1] == b"\n":
                data = data[1:]
        if data[-1:] == b"\r":
            self._skip_lf = True
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _events(text: bytes) -> list[Event]:
    events = []
    for block in text.split(b"\n\n"):
        if block[:6] == _DATA and b"\n" not in block:  # most events are one line
            events.append(Event(b"", block[6:], block))
        elif block:
            event = _event(block)
            if event is not None:
                events.append(event)
    return events


def _event(block: bytes) -> Event | None:
    name, data = b"", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value[1:] if value[:1] == b" " else value)
        elif field == b"event":
            name = value.strip()
    if not data and block[:1] in (b"{", b"["):
        # no field at all, but how several providers break off a stream: a bare error
        return Event(name, block, block)
    if not data:
        # "If the data buffer is an empty string, … return": comments, ids and bare names end here
        return None
    return Event(name, data[0] if len(data) == 1 else b"\n".join(data), block)


def encode(data: bytes) -> bytes:
    """An unnamed event of one line of data."""
    return b"data: " + data + b"\n\n"


def comment(text: bytes = b"") -> bytes:
    """A line every client ignores, which keeps the connection alive."""
    return b": " + text + b"\n\n"
