"""The count of a request's input tokens, made by the provider: `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from typing import Final

from gateway.dialects.anthropic.native import encode_native
from gateway.hub.contracts import Encoded, Request
from gateway.types import Model

_UNCOUNTED: Final = frozenset(
    {
        "container",
        "diagnostics",
        "fallback_credit_token",
        "fallbacks",
        "inference_geo",
        "max_tokens",
        "metadata",
        "service_tier",
        "stop_sequences",
        "stream",
        "temperature",
        "thread",
        "top_k",
        "top_p",
    }
)
"""Fields of a request that its count refuses (the SDK's `MessageCountTokensParams`)."""


def encode_count(request: Request, model: Model) -> Encoded:
    """The client's own body, as it would be sent for an answer, without what a count refuses."""
    encoded = encode_native(request, model)
    body = {key: value for key, value in encoded.body.items() if key not in _UNCOUNTED}
    return encoded._replace(path="/v1/messages/count_tokens", body=body)
