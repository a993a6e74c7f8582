"""The conversation that a request belongs to, by what its client says or else by how it begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from gateway.hub.contracts import Conversation
from gateway.types import Call, Chat

_SYSTEM: Final = ("system", "developer")


SessionHeaders = Sequence[tuple[str, ...]]
"""Rows of request headers. The first of a row names a session; the second names one conversation of
the session, where there are several (sub-agents)."""


def conversation_of(
    call: Call, headers: Mapping[str, str], *, session_headers: SessionHeaders
) -> Conversation | None:
    """The conversation of `call`; None for embeddings, which have none. `headers` are the client's.

    A name in the body (`prompt_cache_key`, `metadata.user_id`) often names a user or a
    whole program. So it only tells apart conversations that begin alike.
    """
    if not call.chat.get("messages"):
        return None
    owner = (call.client.name, call.agent.name)
    named = _in_headers(headers, session_headers)
    if named:
        return Conversation(_digest(repr((*owner, *named))), may_continue=True)
    key = _digest(repr((*owner, _in_body(call.request.body)))) + _opening(call.chat)
    answered = any(message.get("role") == "assistant" for message in call.chat["messages"])
    return Conversation(sha256(key).digest(), may_continue=answered)


def _in_headers(headers: Mapping[str, str], rows: SessionHeaders) -> tuple[str, ...]:
    """The row's first header with the values of the row; empty where no header names a session."""
    for row in rows:
        if headers.get(row[0]):
            return (row[0], *(headers.get(name, "") for name in row))
    return ()


def _in_body(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    named = body.get("prompt_cache_key") or user
    return named if isinstance(named, str) else ""


def _opening(chat: Chat) -> bytes:
    """A digest of the system message that the chat begins with, and of the user's first message."""
    system = b""
    for message in chat["messages"]:
        role = message.get("role")
        if role == "user":
            return system + _content(message)
        if role in _SYSTEM and not system:
            system = _content(message)
    return system


def _content(message: Mapping[str, Any]) -> bytes:
    """A digest of a message's content without cache marks: these move on with each request."""
    content = message.get("content")
    found = sha256()
    for part in content if isinstance(content, list) else (content,):
        for piece in _pieces(part):
            found.update(piece.encode("utf-8", "surrogatepass"))
    return found.digest()


def _pieces(part: Any) -> Iterable[str]:
    """The text of a part that counts. A string equals a part of the same text, which can carry a
    mark."""
    if isinstance(part, str):
        return (part,)
    if not isinstance(part, Mapping):
        return (repr(part),)
    if part.get("type") == "text":
        return (str(part.get("text")),)
    return (repr(pair) for pair in sorted(part.items(), key=_name) if pair[0] != "cache_control")


def _name(pair: tuple[str, Any]) -> str:
    return pair[0]


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
