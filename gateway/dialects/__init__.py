"""Wire formats, each as a pure two-way translation to the hub.

The law: no I/O, no clock, no globals. Bytes or dicts come in, dicts go out; nothing a dialect is given is changed.
The hub is the chat-completions format in plain dicts (`gateway.types`). A dialect has an upstream face (we are the
client), an inbound face (we are the server), or both; the names are the same in every one:

               from the hub                         to the hub
    request    encode_request   (upstream face)     decode_request   (inbound face)
    response   encode_response  (inbound face)      decode_response  (upstream face)
    stream     StreamEncoder    (inbound face)      StreamDecoder    (upstream face)
    error      encode_error     (inbound face)      decode_error     (upstream face)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialects import anthropic, google, responses
from gateway.dialects import chat as chat_dialect
from gateway.dialects.anthropic import inbound as messages_inbound
from gateway.dialects.chat import inbound as chat_inbound
from gateway.dialects.responses import inbound as responses_inbound
from gateway.hub.contracts import REPLAYED, Encoded, Inbound, StreamDecoder, Unsupported, Upstream
from gateway.types import Chat, Model

__all__ = [
    "CALL_PATHS",
    "DIALECTS",
    "INBOUND",
    "REPLAYED",
    "Encoded",
    "StreamDecoder",
    "Unsupported",
    "Upstream",
    "choose",
    "other_api",
]

DIALECTS: Final[Mapping[str, Upstream]] = {
    "anthropic": anthropic,
    "chat": chat_dialect,
    "google": google,
    "responses": responses,
}
"""The upstream faces, by the name a provider's row uses."""


INBOUND: Final[Mapping[str, Inbound]] = {
    "anthropic": messages_inbound,
    "chat": chat_inbound,
    "responses": responses_inbound,
}
"""The inbound faces, by the dialect's name."""

CALL_PATHS: Final[Mapping[str, Inbound]] = {
    "/chat/completions": chat_inbound,
    "/messages": messages_inbound,
    "/responses": responses_inbound,
}
"""Where clients send their calls, without `/v1`."""


def choose(chat: Chat, model: Model) -> str:
    """The dialect for this request: the provider's own, unless OpenAI serves it only on its other API."""
    if model.provider.dialect == "chat" and chat_dialect.needs_responses(chat, model):
        return "responses"
    return model.provider.dialect


def other_api(dialect: str, model: Model) -> str | None:
    """The provider's second API, where it has two and may be asked on either; None elsewhere."""
    if model.provider.dialect != "chat" or model.quirks.api != "auto":
        return None
    return "chat" if dialect == "responses" else "responses"
