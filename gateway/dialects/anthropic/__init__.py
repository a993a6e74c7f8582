"""Anthropic's Messages API. Upstream face.

Source of every wire fact in this folder: Anthropic's SDK types and migration guide as of November
2026, and recorded traffic; see `docs/providers.md`.
"""

from __future__ import annotations

from gateway.dialects.anthropic.answers import decode_response
from gateway.dialects.anthropic.errors import decode_error
from gateway.dialects.anthropic.params import FIELDS, encode_request
from gateway.dialects.anthropic.streams import StreamDecoder

__all__ = ["FIELDS", "StreamDecoder", "decode_error", "decode_response", "encode_request"]
