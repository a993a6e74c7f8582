"""The list of models as Codex reads it, and an estimate of a request's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.hub import exact_json
from gateway.hub.contracts import Request
from gateway.types import Chat

_EFFORTS: Final = ("low", "medium", "high", "xhigh")
_CONTEXT_WINDOW: Final = 200_000
"""Where a model's is not configured. Too small a number costs a summary too early, too large a one
an error."""

BYTES_PER_TOKEN: Final = 4
IMAGE_TOKENS: Final = 1_600
MESSAGE_TOKENS: Final = 3


def wants_codex_models(query: str) -> bool:
    """Whether the reader is Codex: only it states its version in the query."""
    return any(field.startswith("client_version=") for field in query.split("&"))


def with_codex_models(
    listing: Mapping[str, Any],
    windows: Mapping[str, int] | None = None,
    instructions: str | None = None,
) -> dict[str, Any]:
    """An OpenAI list of models with the `models` that Codex expects beside `data`; other clients
    ignore them.

    `windows` holds the known context windows in tokens, by model name. An entry replaces Codex's
    own prompt with `instructions`, so there are no entries without them: an empty list stops
    Codex's complaint and changes nothing.
    """
    if instructions is None:
        return {**listing, "models": []}
    names = [str(entry["id"]) for entry in listing.get("data", ())]
    known = windows or {}
    models = [
        _model(name, place, known.get(name, _CONTEXT_WINDOW), instructions)
        for place, name in enumerate(names)
    ]
    return {**listing, "models": models}


def _model(name: str, place: int, window: int, instructions: str) -> dict[str, Any]:
    """The keys that Codex requires, and those that help."""
    return {
        "slug": name,
        "display_name": name,
        "description": None,
        "default_reasoning_level": "medium",
        "supported_reasoning_levels": [
            {"effort": effort, "description": effort} for effort in _EFFORTS
        ],
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": place,
        "base_instructions": instructions,
        "support_verbosity": False,
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "apply_patch_tool_type": "freeform",
        "context_window": window,
        "input_modalities": ["text", "image"],
        "experimental_supported_tools": [],
    }


def encode_count(tokens: int) -> dict[str, Any]:
    """The answer to `POST /v1/responses/input_tokens`."""
    return {"object": "response.input_tokens", "input_tokens": tokens}


def estimate_tokens(request: Request) -> int:
    """The input tokens of a request: an estimate, since the models of an agent count
    differently."""
    return estimate(request.chat)


def estimate(chat: Chat) -> int:
    """The size of a chat in tokens, from the bytes of its texts and tools."""
    texts, images = 0, 0
    for part in _parts(chat):
        if isinstance(part, str):
            texts += len(part.encode("utf-8", "surrogatepass"))
        else:
            images += 1
    tools = len(exact_json.dumps(chat["tools"])) if "tools" in chat else 0
    return (
        (texts + tools) // BYTES_PER_TOKEN
        + images * IMAGE_TOKENS
        + len(chat["messages"]) * MESSAGE_TOKENS
    )


def _parts(chat: Chat) -> Iterator[Any]:
    """Texts as strings; everything else that a message holds as what it is."""
    for message in chat["messages"]:
        content = message.get("content") or ()
        yield from (content,) if isinstance(content, str) else map(_text_or_part, content)
        for call in message.get("tool_calls", ()):
            yield from (str(value) for value in (call.get("function") or call["custom"]).values())


def _text_or_part(part: Mapping[str, Any]) -> Any:
    return part["text"] if part["type"] == "text" else part
