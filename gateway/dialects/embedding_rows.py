"""What each provider's embeddings API takes: one row each. A provider without a row has none.

Sources: OpenAI's and Google's API references, Mistral's and OpenRouter's OpenAPI documents, the
servers' own documentation (vLLM, Ollama), as of November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.hub.contracts import Unsupported
from gateway.types import Chat, Model


@dataclass(frozen=True, slots=True)
class Row:
    """One provider's API."""

    inputs_max: int
    """Inputs of one request; a longer request is sent in parts."""
    tokens_max: int
    """Tokens of all inputs of one request, by a cautious estimate."""
    fields: frozenset[str] | None = frozenset()
    """Request fields that it takes besides `input` and `dimensions`; None for any."""
    dimensions: str = "dimensions"
    """Its name of that field."""
    base64: bool = False
    """Answers in base64 when asked to: a quarter of the bytes, and much faster to read."""
    token_ids: bool = False
    """Takes token ids. In another vocabulary they make wrong vectors without a sign."""


_NO_LIMIT: Final = 10**9

ROWS: Final[Mapping[str, Row]] = {
    "openai": Row(2048, 250_000, frozenset({"user"}), base64=True, token_ids=True),
    "mistral": Row(512, 16_000, dimensions="output_dimension"),
    "google": Row(100, _NO_LIMIT, frozenset({"task_type", "title", "input_type"})),
    "openrouter": Row(256, 250_000, frozenset({"user", "provider", "input_type"})),
    "custom": Row(256, _NO_LIMIT, None),
}
"""Provider → its row. Google refuses more than 100 inputs, OpenAI more than 2048 or 300,000 tokens,
Mistral more than 16,384 tokens. The other limits are not documented."""


def check_dimensions(request: Chat, sent: Any) -> None:
    """Raises `Unsupported` where the configuration fixes other dimensions than the client asks
    for."""
    if "dimensions" in request and sent != request["dimensions"]:
        raise Unsupported("dimensions", f"the configuration of this model fixes {sent} dimensions")


def embedding_row(model: Model) -> Row:
    """The row of the model's provider. Raises `Unsupported` where there is no embeddings API."""
    row = ROWS.get(model.provider.name)
    if row is None:
        reason = f"{model.provider.name} has no embeddings API, so {model.name} cannot embed"
        raise Unsupported("model", reason)
    return row
