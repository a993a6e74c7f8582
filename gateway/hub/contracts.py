"""What a dialect is: the types that every wire format is written against."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from gateway import sse
from gateway.failures import Failed, Failure, Kind
from gateway.types import Chat, Chunk, Model

REPLAYED: Final = "messages.reasoning_details"
"""The `param` of a failure about reasoning of earlier turns that went back: without it the request is good."""


class Encoded(NamedTuple):
    """A request in a provider's own format, and what is needed to read the answer."""

    path: str
    """After the model's base URL, with the query: `/v1/messages`."""
    body: dict[str, Any]
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers of the format (versions, betas); never a credential."""
    dropped: tuple[str, ...] = ()
    """Paths of the request fields this model does not receive."""
    names: Mapping[str, str] = MappingProxyType({})
    """Tool names as sent → as the client wrote them, where they differ."""
    custom_tools: frozenset[str] = frozenset()
    """Names (the client's) of tools of type `custom` that were sent as functions."""
    unfence: bool = False
    """The answer is JSON that was asked for in words: a Markdown fence around it is removed."""
    think_tags: bool = False
    """The answer may begin with its reasoning between `<think>` and `</think>`."""
    origin: str = ""
    """Who is asked, as a digest of model and account: what only they can read again is marked with it."""


class Unsupported(Failed):
    """This model cannot serve the request: another one must, or the client is told which field is the reason."""

    def __init__(self, param: str, reason: str) -> None:
        super().__init__(Failure(Kind.UNSUPPORTED, f"{param}: {reason}", param=param))


class StreamDecoder(Protocol):
    """Reads one streamed answer."""

    model: str | None
    """The model that answers, once the provider has said it."""
    finished: bool
    """A finish reason has been read: whatever else happens, the answer is whole."""

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The chunks of one event; [] for an event that says nothing. Raises `Failed` for an error event, for broken
        JSON, and for a finish that is none."""
        ...

    def flush(self) -> list[Chunk]:
        """The chunks that were waiting for a clean end. Raises `Failed` when the answer is not whole."""
        ...


class Upstream(Protocol):
    """The upstream face of a dialect; modules implement it."""

    def encode_request(self, chat: Chat, model: Model) -> Encoded:
        """`chat` for `model`, `stream` included. Raises `Unsupported`."""
        ...

    def decode_response(self, body: dict[str, Any], encoded: Encoded) -> Chat:
        """A chat completion without `id` and `created`. Raises `Failed` for an error inside a 200."""
        ...

    def StreamDecoder(self, encoded: Encoded) -> StreamDecoder:  # noqa: N802 -- a class in every module
        ...

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Failure:
        """An error answer. `headers` has lower-case names, `now_s` is Unix time: some providers state dates."""
        ...
