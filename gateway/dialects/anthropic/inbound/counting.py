"""An estimate of the tokens of a request, where no provider counts them.

Claude Code adds up many small counts, so the scale matters more than the last digit: a constant
answer is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.anthropic.inbound.notes import invalid
from gateway.dialects.anthropic.inbound.requests import decode_request
from gateway.hub import exact_json
from gateway.hub.contracts import Request

BYTES_PER_TOKEN: Final = 4
IMAGE_TOKENS: Final = 1_600
MESSAGE_TOKENS: Final = 3
_ROOM: Final = 128_000
"""The limit of an answer that is never asked for: thinking may fill any part of it."""
_PAGE_CHARS: Final = 100_000
"""About as much base64 as one page of a PDF has; a page costs as much as an image."""
_UNREAD: Final = frozenset({"type", "role", "cache_control", "signature", "encrypted_content"})
"""Keys whose values no model reads."""
_SOURCES: Final = ("base64", "url", "file")


def decode_count(body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    """A request that is only counted: it may leave out `max_tokens`. Raises `Failed`."""
    return decode_request({**body, "max_tokens": body.get("max_tokens") or _ROOM}, headers)


def encode_count(tokens: int) -> dict[str, int]:
    """The answer to `POST /v1/messages/count_tokens`."""
    return {"input_tokens": tokens}


def estimate_tokens(request: Request) -> int:
    """The input tokens of a request. Raises `Failed` for one that JSON cannot hold."""
    body = request.body
    size, pages = len(_json(body["tools"])) if body.get("tools") else 0, 0
    for text, is_media in _texts([body.get("system"), body["messages"]]):
        if is_media:
            pages += max(1, -(-len(text) // _PAGE_CHARS))
        else:
            size += len(text.encode("utf-8", "replace"))
    tokens = -(-size // BYTES_PER_TOKEN) + pages * IMAGE_TOKENS
    return tokens + len(body["messages"]) * MESSAGE_TOKENS


def _json(value: Any) -> str:
    try:
        return exact_json.dumps(value).decode()
    except ValueError as error:
        raise invalid("messages", str(error)) from error


def _texts(value: Any) -> Iterator[tuple[str, bool]]:
    """Every text a model reads, and whether it is the data or the address of a file instead."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item, False
        elif isinstance(item, list):
            left.extend(item)
        elif isinstance(item, dict) and item.get("type") in _SOURCES:
            yield str(item.get("data") or item.get("url") or ""), True
        elif isinstance(item, dict):
            if isinstance(item.get("input"), dict):
                item = {**item, "input": _json(item["input"])}
            left += [held for key, held in item.items() if key not in _UNREAD]
