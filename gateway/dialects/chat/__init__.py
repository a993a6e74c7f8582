"""Chat completions: the hub itself, and the format of every server that speaks like OpenAI's. Both
faces."""

from __future__ import annotations

from gateway.dialects.chat.answers import (
    as_chunks,
    decode_response,
    encode_response,
    is_empty,
    says_something,
)
from gateway.dialects.chat.errors import decode_error, encode_error
from gateway.dialects.chat.normalize import normalize as decode_request
from gateway.dialects.chat.params import FIELDS, encode_request, needs_responses
from gateway.dialects.chat.streams import StreamDecoder, StreamEncoder

__all__ = [
    "FIELDS",
    "StreamDecoder",
    "StreamEncoder",
    "as_chunks",
    "decode_error",
    "decode_request",
    "decode_response",
    "encode_error",
    "encode_request",
    "encode_response",
    "is_empty",
    "needs_responses",
    "says_something",
]
