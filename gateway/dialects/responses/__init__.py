"""OpenAI's Responses API. Upstream face.

OpenAI's newer models take function tools while reasoning only here. Source of every wire fact in
this folder: OpenAI's SDK types as of November 2026; see `docs/providers.md`. Nothing is stored at
the provider (`store: false`); what a reasoning model needs back travels encrypted in the
conversation.
"""

from __future__ import annotations

from gateway.dialects.responses.answers import decode_response
from gateway.dialects.responses.errors import decode_error
from gateway.dialects.responses.params import FIELDS, encode_request
from gateway.dialects.responses.streams import StreamDecoder

__all__ = ["FIELDS", "StreamDecoder", "decode_error", "decode_response", "encode_request"]
