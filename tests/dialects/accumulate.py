"""Adds the chunks of a stream up to one answer, by the rules of the official accumulators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from gateway.types import Chat, Chunk


def accumulated(chunks: Iterable[Chunk]) -> Chat:
    """The answer that the chunks of a stream make: texts are joined, numbers added, lists filled by
    `index`."""
    chat: Chat = {"choices": {}}
    for chunk in chunks:
        chat |= {key: value for key, value in chunk.items() if key != "choices"}
        for choice in chunk["choices"]:
            known = chat["choices"].setdefault(choice["index"], {"message": {"role": "assistant"}})
            _add(known["message"], choice["delta"])
            _add_fields(known, choice)
    chat["choices"] = [chat["choices"][place] for place in sorted(chat["choices"])]
    return chat


def _add_fields(known: dict[str, Any], choice: Mapping[str, Any]) -> None:
    known |= {
        key: value
        for key, value in choice.items()
        if key not in ("delta", "logprobs") and value is not None
    }
    if choice.get("logprobs"):
        known.setdefault("logprobs", {"content": []})["content"] += choice["logprobs"]["content"]


def _add(known: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key, value in delta.items():
        if known.get(key) is None:
            known[key] = deepcopy(value)
        elif key in ("index", "type"):
            continue
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            _fill(known[key], value)
        elif isinstance(value, dict):
            _add(known[key], value)
        else:
            known[key] += value


def _fill(known: list[Any], items: list[dict[str, Any]]) -> None:
    """Official accumulators take `index` for the place in the list, and crash without it."""
    for item in items:
        if item["index"] < len(known):
            _add(known[item["index"]], item)
        else:
            known.insert(item["index"], deepcopy(item))


def plain(value: Any) -> Any:
    """`value` without what a stream writes otherwise than a whole answer: `index` of items, nulls,
    order."""
    if isinstance(value, dict):
        return {
            key: plain(item) for key, item in value.items() if key != "index" and item is not None
        }
    return [plain(item) for item in value] if isinstance(value, list) else value
