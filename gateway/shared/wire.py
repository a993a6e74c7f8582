"""Messages between a worker and its supervisor: MessagePack, each behind its length in four
bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

LENGTH_BYTES: Final = 4

T = TypeVar("T")


class Message(NamedTuple):
    """One message. `kind` names a command, or one of the words of `workers.py`."""

    kind: str
    number: int = 0
    """Ties an answer to its question; 0 where no answer is wanted."""
    body: Any = None
    """Plain data; `read` makes a typed value of it."""


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Message)


def pack(message: Message) -> bytes:
    data = _encoder.encode(message)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def read(body: Any, type_: type[T]) -> T:
    """`body` as a value of `type_`. Raises `msgspec.ValidationError`."""
    return msgspec.convert(body, type_)


class Frames:
    """Collects bytes and hands out the messages they complete, wherever the bytes are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= LENGTH_BYTES:
            body = start + LENGTH_BYTES
            end = body + int.from_bytes(self._buffer[start:body], "big")
            if len(self._buffer) < end:
                break
            yield _decoder.decode(bytes(self._buffer[body:end]))
            start = end
        del self._buffer[:start]
