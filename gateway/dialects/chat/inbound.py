"""The inbound face of chat completions. Implements `hub.contracts.Inbound`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway import sse
from gateway.dialects.chat.answers import encode_response as _encode_response
from gateway.dialects.chat.errors import encode_error as _encode_error
from gateway.dialects.chat.normalize import normalize, speaks_functions
from gateway.dialects.chat.streams import StreamEncoder as _StreamEncoder
from gateway.hub.contracts import Answer, Refusal, Rendered
from gateway.types import Batch, Chat, Request

NAME: Final = "chat"
ID_HEADERS: Final = ("x-request-id",)
_ID: Final = "chatcmpl-"
KEEP_ALIVE: Final = sse.comment(b"")
"""Only comments keep a connection alive without breaking a client: `event: ping` does."""

SESSION_HEADERS: Final = (("x-session-affinity",),)
"""Of opencode."""


class Notes(NamedTuple):
    """What a request says about the form of its answer."""

    include_usage: bool
    """The client asked for a usage chunk at the end of the stream."""
    legacy_functions: bool
    """The client spoke the deprecated `functions`, and is answered in kind."""


def decode_request(body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    """Raises `Failed` naming the field that is wrong."""
    chat = normalize(body)
    include_usage = bool((chat.get("stream_options") or {}).get("include_usage"))
    legacy = "functions" in body and speaks_functions(body)
    return Request(chat, body, notes=Notes(include_usage, legacy))


def encode_response(chat: Chat, answer: Answer) -> Chat:
    """The whole answer: the hub's with its envelope."""
    notes: Notes = answer.request.notes
    id_, legacy = _ID + answer.id, notes.legacy_functions
    return _encode_response(chat, id_, answer.created, answer.model, legacy_functions=legacy)


class StreamEncoder:
    """Writes `chat.completion.chunk`s, and `[DONE]` only after a whole answer."""

    response = None

    def __init__(self, answer: Answer) -> None:
        notes: Notes = answer.request.notes
        self._encoder = _StreamEncoder(
            _ID + answer.id,
            answer.created,
            answer.model,
            include_usage=notes.include_usage,
            legacy_functions=notes.legacy_functions,
        )

    def encode(self, batch: Batch) -> bytes:
        return self._encoder.encode(batch.chunks)

    def keep_alive(self) -> bytes:
        return KEEP_ALIVE

    def done(self) -> bytes:
        return self._encoder.done()

    def error(self, refusal: Refusal) -> bytes:
        """SDKs raise on it."""
        return self._encoder.error(_body(refusal))


def encode_error(refusal: Refusal, request_id: str) -> Rendered:
    return Rendered(refusal.status, _body(refusal), refusal.headers)


def _body(refusal: Refusal) -> dict[str, Any]:
    return _encode_error(
        refusal.message,
        refusal.type,
        param=refusal.param,
        code=refusal.code,
        **dict(refusal.details),
    )
