"""`response_format` for servers that lack a part of it."""

from __future__ import annotations

from typing import Any

from gateway.hub.parts import text_of
from gateway.hub.structured_output import hint
from gateway.types import Chat, Quirks


def encode_format(body: dict[str, Any], chat: Chat, quirks: Quirks) -> tuple[list[str], bool]:
    """Puts `response_format` into `body`, or its substitute; returns (what was lost, whether to expect a fence)."""
    wanted = chat.get("response_format")
    if not wanted or wanted.get("type") == "text":
        return [], False
    is_schema = wanted.get("type") == "json_schema"
    if is_schema and not quirks.json_schema:
        body["response_format"] = {"type": "json_object"}
        _instruct(body, hint(wanted))
        return ["response_format.json_schema"], True
    if not quirks.json_schema and not _speaks_of_json(body["messages"]):
        _instruct(body, hint(wanted))  # JSON mode is refused otherwise
    if "tools" in body and not quirks.json_schema_with_tools:
        _instruct(body, hint(wanted))
        return ["response_format"], True
    body["response_format"] = wanted
    return [], False


def _speaks_of_json(messages: list[dict[str, Any]]) -> bool:
    return any("json" in text_of(message.get("content")).lower() for message in messages)


def _instruct(body: dict[str, Any], text: str) -> None:
    messages = body["messages"]
    first = messages[0] if messages else None
    if first is not None and first["role"] == "system" and isinstance(first["content"], str):
        body["messages"] = [{**first, "content": f"{first['content']}\n\n{text}"}, *messages[1:]]
    else:
        body["messages"] = [{"role": "system", "content": text}, *messages]
