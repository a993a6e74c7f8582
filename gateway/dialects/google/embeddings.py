"""Embeddings of the Gemini API: `batchEmbedContents`, one inner request for each input.

Several parts in one content would give one vector of them all. The API knows no base64. Only
vectors of the full length come normalised; shorter ones are brought to length 1 here, so that dot
products can be compared. Source: Google's API reference and SDK types as of November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from gateway.dialects.google.errors import decode_error_value
from gateway.failures import Failed
from gateway.hub.contracts import Encoded, Unsupported
from gateway.hub.embeddings import (
    check_dimensions,
    embeddings_row,
    encode_answer,
    malformed,
    unit,
)
from gateway.hub.options import merge_options
from gateway.hub.patterns import lookup
from gateway.types import Chat, Model

_DIMENSIONS: Final = "outputDimensionality"
_FULL_LENGTH: Final = 3072
"""Vectors of this length come normalised."""
_TITLED: Final = "RETRIEVAL_DOCUMENT"
"""The only task whose texts have a title."""
_TEXT_WANTED: Final = (
    "Gemini takes text, not token ids (LangChain: check_embedding_ctx_length=False)"
)
_TRANSLATED: Final = frozenset({"model", "input", "dimensions"})

_TASKS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("query", "search_query"), "RETRIEVAL_QUERY"),
    **dict.fromkeys(("document", "passage", "search_document"), _TITLED),
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}
"""`input_type`, as other vendors have it → the task type."""


@dataclass(frozen=True, slots=True)
class Family:
    """The capabilities of one family of embedding models."""

    task_types: bool = True
    """Takes `taskType`. Newer models want the task as words in the text, which the client
    writes."""


FAMILIES: Final[Mapping[str, Family]] = {
    "*": Family(),
    "gemini-embedding-2*": Family(task_types=False),
}


def encode_embeddings(request: Chat, model: Model) -> Encoded:
    """The hub's request for `model`. Raises `Unsupported`."""
    embeddings_row(model)
    inputs = request["input"]
    if isinstance(inputs[0], list):
        raise Unsupported("input", _TEXT_WANTED)
    name = model.model_id.removeprefix("models/")
    fields, lost = _fields(request, lookup(FAMILIES, name))
    fields = {"model": f"models/{name}", **merge_options(fields, model.options)}
    check_dimensions(request, fields.get(_DIMENSIONS))
    requests = [{**fields, "content": {"parts": [{"text": text}]}} for text in inputs]
    path = f"/models/{quote(name, safe='')}:batchEmbedContents"
    return Encoded(path, {"requests": requests}, dropped=lost)


def _fields(request: Chat, family: Family) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(what every inner request holds besides its text, the fields that are lost)."""
    fields: dict[str, Any] = {}
    taken = set(_TRANSLATED)
    if "dimensions" in request:
        fields[_DIMENSIONS] = request["dimensions"]
    source, task = _task(request) if family.task_types else ("", "")
    if task:
        fields["taskType"] = task
        taken.add(source)
    if task == _TITLED and "title" in request:
        fields["title"] = request["title"]
        taken.add("title")
    return fields, tuple(field for field in request if field not in taken)


def _task(request: Chat) -> tuple[str, str]:
    """(the field that names the task, the task type); both empty where none is named."""
    stated = request.get("task_type")
    if isinstance(stated, str) and stated:
        return "task_type", stated.upper()
    other = request.get("input_type")
    task = _TASKS.get(other.lower(), "") if isinstance(other, str) else ""
    return ("input_type", task) if task else ("", "")


def decode_embeddings(body: Mapping[str, Any], encoded: Encoded) -> Chat:
    """The hub's answer.

    Raises `Failed` for an error inside a 200, and for vectors that do not fit the request.
    """
    if "error" in body:
        raise Failed(decode_error_value(body, None))
    embeddings = body.get("embeddings")
    if not isinstance(embeddings, list):
        raise malformed("the provider's answer has no list of embeddings")
    requests = encoded.body["requests"]
    dimensions = requests[0].get(_DIMENSIONS)
    vectors = [embedding["values"] for embedding in embeddings]
    answer = encode_answer(vectors, len(requests), dimensions, usage=_usage(body))
    if isinstance(dimensions, int) and dimensions < _FULL_LENGTH:
        for entry in answer["data"]:
            entry["embedding"] = unit(entry["embedding"])
    return answer


def _usage(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The counts, which this API often leaves out."""
    counts = body.get("usageMetadata")
    if not isinstance(counts, Mapping) or "promptTokenCount" not in counts:
        return None
    return {"prompt_tokens": counts["promptTokenCount"], "total_tokens": counts["promptTokenCount"]}
