"""Anthropic's Messages API. Inbound face: the gateway is the server of a client such as Claude
Code.

Belongs here: what clients of this format send and expect. Does not belong here: what Anthropic's
own servers take and send, which is the upstream face in the folder above.
"""

from __future__ import annotations

from typing import Final

from gateway.dialects.anthropic.inbound.answers import encode_response
from gateway.dialects.anthropic.inbound.counting import decode_count, encode_count, estimate_tokens
from gateway.dialects.anthropic.inbound.errors import encode_error
from gateway.dialects.anthropic.inbound.models import encode_model, encode_models
from gateway.dialects.anthropic.inbound.requests import decode_request
from gateway.dialects.anthropic.inbound.streams import PING, StreamEncoder
from gateway.dialects.anthropic.inbound.usage import with_usage

NAME: Final = "anthropic"
ID_HEADERS: Final[tuple[str, ...]] = ("request-id", "x-request-id")
KEEP_ALIVE: Final = PING
SESSION_HEADERS: Final = (("x-claude-code-session-id", "x-claude-code-agent-id"),)
"""Of Claude Code."""

__all__ = [
    "ID_HEADERS",
    "KEEP_ALIVE",
    "NAME",
    "SESSION_HEADERS",
    "StreamEncoder",
    "decode_count",
    "decode_request",
    "encode_count",
    "encode_error",
    "encode_model",
    "encode_models",
    "encode_response",
    "estimate_tokens",
    "with_usage",
]
