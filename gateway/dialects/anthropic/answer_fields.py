"""The treatment of each field of a message that Anthropic sends, whole or streamed.

Source: Anthropic's official SDK and recorded traffic. A field that is not named here is kept: of
the message beside the choices, of the usage in `usage`. Blocks of other types than text, thinking
and `tool_use` (server tools and their results, compaction) are kept in `native_content`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.hub.answer_fields import (
    KEPT,
    Fields,
    dropped,
    not_kept,
    other_fields,
    translated,
    url_citation,
)

_COUNT: Final = translated("the counts of usage")

ANSWER: Final[Mapping[str, Fields]] = {
    "answer": {
        "id": translated("the gateway's own"),
        "type": dropped("says only what kind of object it is"),
        "role": translated("role"),
        "model": translated("model"),
        "content": translated("the message"),
        "stop_reason": translated("finish_reason, and native_finish_reason where that says less"),
        "usage": translated("usage"),
        "error": translated("a failure of the attempt"),
        "stop_sequence": KEPT,
        "stop_details": KEPT,
        "container": KEPT,
        "context_management": KEPT,
    },
    "tool_call": {
        "type": translated("type"),
        "id": translated("id"),
        "name": translated("function.name"),
        "input": translated("function.arguments"),
        "caller": KEPT,
    },
    "usage": {
        "input_tokens": _COUNT,
        "output_tokens": _COUNT,
        "cache_read_input_tokens": _COUNT,
        "cache_creation_input_tokens": _COUNT,
        "output_tokens_details": translated("completion_tokens_details, and kept"),
        "cache_creation": KEPT,
        "server_tool_use": KEPT,
        "service_tier": KEPT,
        "inference_geo": KEPT,
        "speed": KEPT,
        "iterations": KEPT,
    },
}
_NOT_KEPT: Final = {part: not_kept(fields) for part, fields in ANSWER.items()}


def answer_extras(message: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message, or of the change at its end, beside content and counts."""
    return other_fields(message, _NOT_KEPT["answer"])


def tool_call_extras(block: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `tool_use` block beside its call."""
    return other_fields(block, _NOT_KEPT["tool_call"])


def usage_extras(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `usage` object beside the counts."""
    extras = other_fields(usage, _NOT_KEPT["usage"])
    details = usage.get("output_tokens_details")
    return extras | ({"completion_tokens_details": details} if isinstance(details, Mapping) else {})


def decode_citations(citations: Any, first_index: int) -> list[dict[str, Any]]:
    """`url_citation` annotations of the citations that name an address."""
    found = [citation for citation in citations or () if _has_address(citation)]
    return [
        url_citation(citation, first_index + place, **other_fields(citation, _CITED))
        for place, citation in enumerate(found)
    ]


def other_citations(citations: Any) -> list[Any]:
    """Citations of a client's own documents, for which the contract has no annotation."""
    return [citation for citation in citations or () if citation and not _has_address(citation)]


def search_results(block: Mapping[str, Any]) -> list[Any]:
    """The pages that a server tool found."""
    content = block.get("content")
    return list(filter(_has_address, content)) if isinstance(content, list) else []


def _has_address(citation: Any) -> bool:
    return isinstance(citation, Mapping) and bool(citation.get("url"))


_CITED: Final = frozenset({"type", "url", "title", "encrypted_content"})
"""Left out of an annotation: its own fields, and a search result's text, which only Anthropic can
read."""
