"""How the body of a streamed answer is divided into events: the framing of a provider's format.

Most providers send server-sent events. A format with another framing (lines of JSON, binary frames)
brings a class of its own: a row in `dialects.FRAMINGS`, whose name a provider's row states.
"""

from __future__ import annotations

from typing import ClassVar, Final, Protocol

from gateway import sse

_WHOLE: Final = frozenset({b"{", b"[", b"<"})
_FIELDS: Final = frozenset({b"d", b"e", b"i", b"r", b":"})
"""How a line of an event stream can begin: `data`, `event`, `id`, `retry`, a comment."""


class Framing(Protocol):
    """Turns the bytes of one streamed answer, cut anywhere, into events."""

    ACCEPT: ClassVar[bytes]
    """The content type that a request for a stream accepts."""

    def begins(self, data: bytes, content_type: str) -> bool | None:
        """Whether a body whose first bytes are `data` is a stream. If not, it is read as one JSON
        value.

        None while that is open: `data` is not read again, and the next bytes are asked about.
        `data` is b"" for a body that has ended.
        """
        ...

    def decode(self, data: bytes) -> list[sse.Event]:
        """The events that `data` completes. Raises `ValueError` for what the framing does not
        allow."""
        ...

    def flush(self) -> list[sse.Event]:
        """The events left over at a clean end. Raises nothing: a part of an event is not an
        event."""
        ...


class ServerSentEvents(sse.Decoder):
    """The framing of `sse.Decoder`."""

    ACCEPT: ClassVar[bytes] = b"text/event-stream"

    def begins(self, data: bytes, content_type: str) -> bool | None:
        """Decides by the first byte, because the content type is unreliable: whole answers come as
        event streams, and event streams as plain text. Blank lines before it are a server's signs
        of life while a request is queued."""
        first = data.removeprefix(sse.BOM).lstrip()[:1]
        if data and not first:
            return None
        if content_type.lower().startswith("text/event-stream"):
            return first not in _WHOLE
        return first in _FIELDS
