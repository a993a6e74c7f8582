"""Wire formats, each as a pure two-way translation to the hub.

The law: no I/O, no clock, no globals. Bytes or dicts come in, dicts go out; nothing a dialect is
given is changed. The hub is the chat-completions format in plain dicts (`gateway.types`). A dialect
has an upstream face (we are the client), an inbound face (we are the server), or both; the names
are the same in every one:

               from the hub                         to the hub
    request    encode_request   (upstream face)     decode_request   (inbound face)
    response   encode_response  (inbound face)      decode_response  (upstream face)
    stream     StreamEncoder    (inbound face)      StreamDecoder    (upstream face)
    error      encode_error     (inbound face)      decode_error     (upstream face)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from gateway.dialects import anthropic, google, responses
from gateway.dialects import chat as chat_dialect
from gateway.dialects.anthropic import inbound as messages_inbound
from gateway.dialects.anthropic import native as messages_native
from gateway.dialects.anthropic import native_counting as messages_counting
from gateway.dialects.chat import embeddings as chat_embeddings
from gateway.dialects.chat import embeddings_inbound
from gateway.dialects.chat import inbound as chat_inbound
from gateway.dialects.google import embeddings as google_embeddings
from gateway.dialects.responses import inbound as responses_inbound
from gateway.dialects.responses import native as responses_native
from gateway.dialects.responses.inbound import catalog
from gateway.hub.contracts import (
    REPLAYED,
    Counting,
    Embeddings,
    Encoded,
    Inbound,
    Native,
    StreamDecoder,
    Unsupported,
    Upstream,
)
from gateway.hub.conversations import conversation_of as hub_conversation_of
from gateway.hub.framing import Framing, ServerSentEvents
from gateway.types import Chat, Model

__all__ = [
    "CALL_PATHS",
    "COUNTING",
    "COUNT_PATHS",
    "DIALECTS",
    "EMBEDDINGS",
    "EMBEDDINGS_INBOUND",
    "FRAMINGS",
    "INBOUND",
    "NATIVE",
    "REPLAYED",
    "SESSION_HEADERS",
    "Counting",
    "Encoded",
    "StreamDecoder",
    "Unsupported",
    "Upstream",
    "choose",
    "conversation_of",
    "other_api",
]

DIALECTS: Final[Mapping[str, Upstream]] = {
    "anthropic": anthropic,
    "chat": chat_dialect,
    "google": google,
    "responses": responses,
}
"""The upstream faces, by the name a provider's row uses."""

FRAMINGS: Final[Mapping[str, type[Framing]]] = {"sse": ServerSentEvents}
"""What divides a stream into events, by the name a provider's row uses."""

INBOUND: Final[Mapping[str, Inbound]] = {
    "anthropic": messages_inbound,
    "chat": chat_inbound,
    "responses": responses_inbound,
}
"""The inbound faces, by the dialect's name."""

NATIVE: Final[Mapping[str, Native]] = {
    "anthropic": Native(
        messages_native.encode_native, messages_native.again, messages_inbound.with_usage
    ),
    "responses": Native(responses_native.encode_native, responses_native.again),
}
"""The native lanes. Chat completions have none: what their chunks promise is worth decoding for."""
EMBEDDINGS: Final[Mapping[str, Embeddings]] = {"chat": chat_embeddings, "google": google_embeddings}
"""The embeddings of the dialects that have some, towards providers."""
EMBEDDINGS_INBOUND: Final[Mapping[str, Inbound]] = {"chat": embeddings_inbound}
"""The inbound faces of embeddings, by the dialect's name."""


SESSION_HEADERS: Final = (
    *messages_inbound.SESSION_HEADERS,
    *responses_inbound.SESSION_HEADERS,
    *chat_inbound.SESSION_HEADERS,
)
"""The headers in which clients name their sessions; some clients speak several APIs."""

conversation_of: Final = partial(hub_conversation_of, session_headers=SESSION_HEADERS)
"""The conversation of a call and the client's headers."""

CALL_PATHS: Final[Mapping[str, Inbound]] = {
    "/chat/completions": chat_inbound,
    "/messages": messages_inbound,
    "/responses": responses_inbound,
}
"""Where clients send their calls, without `/v1`."""

COUNTING: Final[Mapping[str, Counting]] = {
    "anthropic": Counting(
        messages_inbound,
        messages_inbound.decode_count,
        messages_inbound.estimate_tokens,
        messages_inbound.encode_count,
        messages_counting.encode_count,
    ),
    "responses": Counting(
        responses_inbound,
        responses_inbound.decode_request,
        catalog.estimate_tokens,
        catalog.encode_count,
    ),
}
"""How requests are counted, by the dialect's name."""

COUNT_PATHS: Final[Mapping[str, Counting]] = {
    "/messages/count_tokens": COUNTING["anthropic"],
    "/responses/input_tokens": COUNTING["responses"],
}
"""Where clients have requests counted, without `/v1`."""


def choose(chat: Chat, model: Model, client: str = "chat") -> str:
    """The dialect for this request: the provider's own, unless OpenAI serves it only on its other
    API, or the client speaks that one. `client` is the client's dialect."""
    if model.provider.dialect != "chat":
        return model.provider.dialect
    speaks_it = client == "responses" and model.quirks.api == "auto"
    return "responses" if speaks_it or chat_dialect.needs_responses(chat, model) else "chat"


def other_api(dialect: str, model: Model) -> str | None:
    """The provider's second API, where it has two and may be asked on either; None elsewhere."""
    if model.provider.dialect != "chat" or model.quirks.api != "auto":
        return None
    return "chat" if dialect == "responses" else "responses"
