"""OpenAI's Responses API as clients speak it: the inbound face.

Source of every wire fact in this folder: OpenAI's SDK types, and what Codex, the official SDKs, the
Agents SDK, LangChain, pydantic-ai and the AI SDK sent to and accepted from a server in November
2026. Each module has one part of the format; nothing here waits, stores or knows the time.
"""

from __future__ import annotations

from typing import Final

from gateway import sse
from gateway.dialects.responses.inbound.answers import encode_response
from gateway.dialects.responses.inbound.errors import encode_error
from gateway.dialects.responses.inbound.requests import decode_request
from gateway.dialects.responses.inbound.streams import StreamEncoder

NAME: Final = "responses"
ID_HEADERS: Final = ("x-request-id",)
KEEP_ALIVE: Final = sse.comment()
SESSION_HEADERS: Final = (("session-id", "thread-id"), ("session_id",))
"""Of Codex: today's, and its earlier one."""

__all__ = [
    "ID_HEADERS",
    "KEEP_ALIVE",
    "NAME",
    "SESSION_HEADERS",
    "StreamEncoder",
    "decode_request",
    "encode_error",
    "encode_response",
]
