"""The blocks of an answer, as they begin and as they are when they are whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.hub import exact_json
from gateway.hub.sealed import seal
from gateway.hub.shapes import table

NO_IMAGES: Final = "(The model made an image, which this API cannot carry.)"


def signature_of(details: list[Any], extras: Mapping[str, Any]) -> str:
    """The signature of a thinking block: what the provider has to get back; "" where that is
    nothing.

    `extras` has by the id of a tool call what belongs to the call: Messages has no field for it
    there.
    """
    value = {key: held for key, held in (("details", details), ("calls", extras)) if held}
    return seal(value) if value else ""


def citations_of(annotations: Any) -> list[dict[str, Any]]:
    """`url_citation` annotations as citations of web pages; the index that Anthropic encrypts is
    empty."""
    pages = [table(item, "url_citation") for item in annotations or ()]
    return [_citation(page) for page in pages if page.get("url")]


def _citation(page: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "web_search_result_location",
        "url": page["url"],
        "title": page.get("title") or None,
        "cited_text": page.get("content") or "",
        "encrypted_index": "",
    }


def input_of(arguments: Any) -> Any:
    """A tool call's arguments as an object, integers exact.

    Text that is not JSON is `{"_raw": text}` and JSON that is not an object `{"value": …}`: the
    client sees what the model wrote.
    """
    if not isinstance(arguments, str) or not arguments.strip():
        return arguments if isinstance(arguments, dict) else {}
    try:
        value = exact_json.loads(arguments)
    except ValueError:
        return {"_raw": arguments}
    return value if isinstance(value, dict) else {"value": value}


def call_of(call: Mapping[str, Any]) -> tuple[str, str, Any]:
    """(id, name, arguments) of a hub tool call of either kind."""
    if "custom" in call:
        custom = call["custom"] or {}
        arguments = exact_json.dumps({"input": custom.get("input") or ""}).decode()
        return call.get("id") or "", custom.get("name") or "", arguments
    function = call.get("function") or {}
    return call.get("id") or "", function.get("name") or "", function.get("arguments")


def texts(items: Iterable[str]) -> list[dict[str, Any]]:
    """A text block for each text that is not empty."""
    return [{"type": "text", "text": text} for text in items if text]
