"""Embeddings of servers that speak like OpenAI's: `POST /embeddings`. Upstream side of `embed`.

The answer is asked for in the cheapest form that the provider is known to have; both forms are
read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.errors import decode_error_value, is_error
from gateway.failures import Failed
from gateway.hub.contracts import Encoded, Unsupported
from gateway.hub.embeddings import (
    check_dimensions,
    embeddings_row,
    encode_answer,
    in_order,
    malformed,
)
from gateway.hub.options import merge_options
from gateway.types import Chat, EmbeddingsRow, Model

_PATH: Final = "/embeddings"
_TRANSLATED: Final = frozenset({"model", "input", "dimensions"})
_OWN: Final = frozenset({"object", "data", "usage"})
_NAMES_OF_DIMENSIONS: Final = ("dimensions", "output_dimension")
_TEXT_WANTED: Final = (
    "token ids mean something to one provider's tokenizer only; send "
    "text (LangChain: check_embedding_ctx_length=False)"
)


def encode_embeddings(request: Chat, model: Model) -> Encoded:
    """The hub's request for `model`. Raises `Unsupported`."""
    row = embeddings_row(model)
    inputs = request["input"]
    if isinstance(inputs[0], list) and not row.token_ids:
        raise Unsupported("input", _TEXT_WANTED)
    body: dict[str, Any] = {"model": model.model_id, "input": inputs}
    if "dimensions" in request:
        body[row.dimensions] = request["dimensions"]
    if row.base64:
        body["encoding_format"] = "base64"
    others = {field: value for field, value in request.items() if field not in _TRANSLATED}
    passed = {field: value for field, value in others.items() if _takes(row, model, field)}
    lost = tuple(field for field in others if field not in passed)
    body = merge_options(body | passed, model.options)
    check_dimensions(request, body.get(row.dimensions))
    return Encoded(_PATH, body, dropped=lost)


def _takes(row: EmbeddingsRow, model: Model, field: str) -> bool:
    if field == "output_dtype":
        return False  # anything but floats is not what the client's API answers with
    if row.fields is None:
        return field not in model.provider.dropped
    return field in row.fields


def decode_embeddings(body: Mapping[str, Any], encoded: Encoded) -> Chat:
    """The hub's answer.

    Raises `Failed` for an error inside a 200, and for vectors that do not fit the request.
    """
    if body.get("error") or ("data" not in body and is_error(body)):
        raise Failed(decode_error_value(body, None))
    data = body.get("data")
    if not isinstance(data, list):
        raise malformed("the provider's answer has no list of embeddings")
    more = {key: value for key, value in body.items() if key not in _OWN and value is not None}
    usage = body.get("usage")
    return encode_answer(
        in_order(data),
        len(encoded.body["input"]),
        next((encoded.body[name] for name in _NAMES_OF_DIMENSIONS if name in encoded.body), None),
        usage=usage if isinstance(usage, Mapping) else None,
        more=more,
    )
