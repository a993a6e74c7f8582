"""The order of the steps: bytes → JSON → one API's words → plain values → tools → conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.chat.normalize.messages import decode_messages
from gateway.dialects.chat.normalize.pairing import pair
from gateway.dialects.chat.normalize.sister_forms import in_chat_words
from gateway.dialects.chat.normalize.tools import (
    OF_TOOLS,
    decode_choice,
    decode_functions,
    decode_tools,
)
from gateway.dialects.chat.normalize.values import plain_values
from gateway.types import Chat


def speaks_functions(body: Mapping[str, Any]) -> bool:
    """Whether a request offers the deprecated `functions`: its answer has `function_call`."""
    return bool(body.get("functions")) and not body.get("tools")


def normalize(body: Mapping[str, Any]) -> Chat:
    """A normalized chat. Raises `Failed` naming the wrong field. `body` is not changed; what was
    normal already is the same object in both."""
    chat, source = in_chat_words(body)
    chat = plain_values(chat)
    if not OF_TOOLS.isdisjoint(chat):
        decode_functions(chat)
        decode_tools(chat)
        decode_choice(chat)
    chat["messages"] = pair(decode_messages(chat["messages"], source))
    return chat
