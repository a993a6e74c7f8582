"""Google's Gemini API, `generateContent`. Upstream face.

Source of every wire fact in this folder: Google's SDK types as of November 2026, and recorded
traffic; see `docs/providers.md`.
"""

from __future__ import annotations

from gateway.dialects.google.answers import decode_response
from gateway.dialects.google.errors import decode_error
from gateway.dialects.google.params import FIELDS, encode_request
from gateway.dialects.google.streams import StreamDecoder

__all__ = ["FIELDS", "StreamDecoder", "decode_error", "decode_response", "encode_request"]
