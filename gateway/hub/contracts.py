"""The interface of a dialect: the types that every wire format implements.

A dialect is a wire format with up to two faces. With the upstream face the gateway is the client of
a provider; with the inbound face it is the server of a client. The hub between them is a chat
completion as plain dicts (`hub/schema.py` for requests, `hub/chunks.py` for streams).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol

from gateway import sse
from gateway.failures import Failed, Failure, Kind
from gateway.types import Batch as Batch
from gateway.types import Chat, Chunk, Model
from gateway.types import Request as Request

REPLAYED: Final = "messages.reasoning_details"
"""The `param` of a failure about reasoning of earlier turns that went back: without it the request
is good."""


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
    finish: Literal["stated", "empty", "none"] = "stated"
    """The least that a whole answer states as its finish reason (`rows.Quirks.finish`)."""
    native: bool = False
    """The client's own body, almost unchanged: its answer is sent to the client as it comes."""
    origin: str = ""
    """A digest of model and account: it marks content that only they can read again."""


class Unsupported(Failed):
    """This model cannot serve the request: another one must, or the error names the field to the
    client."""

    def __init__(self, param: str, reason: str) -> None:
        super().__init__(Failure(Kind.UNSUPPORTED, f"{param}: {reason}", param=param))


class StreamDecoder(Protocol):
    """Reads one streamed answer."""

    model: str | None
    """The model that answers, once the provider has said it."""
    finished: bool
    """A finish reason has been read: whatever else happens, the answer is whole."""
    ended: bool
    """The format's own last event has been read: nothing can follow, and nothing that does is
    read."""
    complete: bool
    """All that a whole answer has is here, in a format without a last event."""
    unasked: int
    """How many pieces of choices that the request did not ask for have been dropped."""

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The content of one event; [] for an event that has none. Never a finish: content may
        follow it. Raises `Failed` for an error event, for broken JSON, and for an unknown
        finish."""
        ...

    def flush(self) -> list[Chunk]:
        """The end, once: what was held back, the finish of every choice, the token counts. Raises
        `Failed` when the answer is not whole."""
        ...


class Native(NamedTuple):
    """The native lane of a dialect that has both faces: the client's own body for a provider of the
    same format."""

    encode: Callable[[Request, Model], Encoded]
    """The client's body with a short, tabled list of changes."""
    again: Callable[[Failure, Encoded], Encoded | None]
    """The same request without what a failure refuses, such as reasoning of earlier turns; None
    where that is not the cause, or nothing can be left out."""
    complete: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body
    """A provider's whole answer with what clients cannot do without; the same object where nothing
    is missing."""


class Upstream(Protocol):
    """The upstream face of a dialect; modules implement it."""

    def encode_request(self, chat: Chat, model: Model) -> Encoded:
        """`chat` for `model`, `stream` included. Raises `Unsupported`."""
        ...

    def decode_response(self, body: dict[str, Any], encoded: Encoded) -> Chat:
        """A chat completion without `id` and `created`. Raises `Failed` for an error inside a
        200."""
        ...

    def StreamDecoder(self, encoded: Encoded) -> StreamDecoder:  # noqa: N802 -- a class in every module
        ...

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, now_s: float
    ) -> Failure:
        """An error answer. `headers` has lower-case names, `now_s` is Unix time: some providers
        state dates."""
        ...


class Embeddings(Protocol):
    """The upstream side of a dialect that has embeddings; modules implement it.

    `hub/embeddings.py` has the hub's form.
    """

    def encode_embeddings(self, request: Chat, model: Model) -> Encoded:
        """One request with all inputs of `request`. Raises `Unsupported`."""
        ...

    def decode_embeddings(self, body: Mapping[str, Any], encoded: Encoded) -> Chat:
        """The answer. Raises `Failed` for an error inside a 200, and for vectors that do not
        fit."""
        ...


# --- the inbound face -----------------------------------------------------------------------------


class Answer(NamedTuple):
    """The facts about a call that an inbound face needs to write its answer."""

    id: str
    """Unique per call, without a prefix; the face adds its own (`chatcmpl-`, `msg_`, `resp_`)."""
    created: int
    """Unix time in seconds."""
    model: str
    """The model that answers, in the provider's words."""
    request: Request


class Conversation(NamedTuple):
    """The conversation that a call belongs to."""

    key: bytes
    """A digest over client, agent and name: of a fixed size, and nothing of the request can be read
    from it."""
    may_continue: bool
    """Whether earlier calls may have belonged to it: a header names it, or the model has answered
    in it before."""


class Refusal(NamedTuple):
    """An error as data, until the face of the request renders it. The words are the hub's, i.e.
    OpenAI's."""

    status: int
    """The HTTP status of chat completions; a face may have another one for the same `type` and
    `code`."""
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    """`retry-after`, `x-should-retry` and the like."""
    details: Mapping[str, Any] = MappingProxyType({})
    """Further members of the error object: `attempts`, `upstream`."""


class Rendered(NamedTuple):
    """An error as one client format writes it."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = MappingProxyType({})


class StreamEncoder(Protocol):
    """Writes one streamed answer: any number of batches, then exactly one of `done` and `error`."""

    @property
    def response(self) -> Mapping[str, Any] | None:
        """The whole answer once it has ended well, where the API lets a client come back to it."""
        ...

    def encode(self, batch: Batch) -> bytes:
        """The events of a batch; the first one opens the stream. The provider's own events pass
        unchanged."""
        ...

    def keep_alive(self) -> bytes:
        """The bytes that keep the client waiting, at any moment before the end."""
        ...

    def done(self) -> bytes:
        """The end of a whole answer. The provider's own last event waits for it."""
        ...

    def error(self, refusal: Refusal) -> bytes:
        """The end of a broken answer, also of one that never began."""
        ...


class Inbound(Protocol):
    """The inbound face of a dialect; modules implement it."""

    @property
    def NAME(self) -> str:  # noqa: N802 -- a constant in every module
        """The dialect's name in `DIALECTS`: an upstream of that name is served on the native
        lane."""
        ...

    @property
    def ID_HEADERS(self) -> tuple[str, ...]:  # noqa: N802
        """The response headers that carry the request id."""
        ...

    @property
    def KEEP_ALIVE(self) -> bytes:  # noqa: N802
        """The bytes that keep a client waiting before its answer has begun."""
        ...

    def decode_request(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
        """`body` is the parsed JSON object, `headers` the client's, names in lower case. Raises
        `Failed`."""
        ...

    def encode_response(self, chat: Chat, answer: Answer) -> Mapping[str, Any]:
        """The whole answer as the client's API has it. `chat` is the hub's, without `id` and
        `created`."""
        ...

    def StreamEncoder(self, answer: Answer) -> StreamEncoder:  # noqa: N802 -- a class in every module
        ...

    def encode_error(self, refusal: Refusal, request_id: str) -> Rendered:
        """`refusal` as the client's API states errors."""
        ...


class Counting(NamedTuple):
    """How the clients of one API have the input tokens of a request counted, without an answer to
    it."""

    face: Inbound
    decode: Callable[[Mapping[str, Any], Mapping[str, str]], Request]
    """As `Inbound.decode_request`, for a request that states no limit. Raises `Failed`."""
    estimate: Callable[[Request], int]
    """The count where no provider makes one."""
    render: Callable[[int], Mapping[str, Any]]
    """The count as the API states it."""
    native: Callable[[Request, Model], Encoded] | None = None
    """The request for the count of a provider of the same format, where that has one."""
