"""What a provider objected to, and the same request without it. Pure: a failure and a request in, a
request out.

Models change monthly and refuse fields that their elders took. One repeat without the one field
that a 400 names saves the call, and the field is remembered; what the client's code relies on is
never left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any, Final

from gateway.dialects import REPLAYED, Encoded
from gateway.failures import Failure, Kind
from gateway.types import Chat

LEVELS: Final = frozenset(
    {"reasoning", "reasoning.effort", "reasoning_effort", "output_config.effort"}
    | {"service_tier", "verbosity", "text.verbosity"}
)
"""Fields of which one value was refused, which says nothing about the others."""

_OBJECTIONS: Final = frozenset({Kind.INVALID_REQUEST, Kind.UNSUPPORTED})
_ESSENTIAL: Final = frozenset(
    {
        "",
        "model",
        "messages",
        "contents",
        "input",
        "system",
        "instructions",
        "systemInstruction",
        "generationConfig",
    }
    | {
        "stream",
        "tools",
        "tool_choice",
        "toolConfig",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
    }
    | {
        "response_format",
        "text.format",
        "output_config.format",
        "n",
        "logprobs",
        "top_logprobs",
        "modalities",
        "audio",
    }
)
"""Without these a request would mean something else, or its answer lack what the client's code
reads."""
_WORDS: Final = (
    "unsupported",
    "not support",
    "not permitted",
    "unrecognized",
    "unknown",
    "cannot be disabled",
)
"""Words against the presence of a field or its value, not against its form."""


def refused_path(failure: Failure, encoded: Encoded, options: Collection[str]) -> str | None:
    """The optional field (`top_k`, `reasoning.summary`) without which the same request is worth a
    try; None for none.

    `options` are the fields that the user's own configuration states: those stay.
    """
    path = _path(failure.param or "", encoded.body)
    field = path.partition(".")[0]
    if (
        failure.kind not in _OBJECTIONS
        or field not in encoded.body
        or _is_essential(path, encoded.body)
    ):
        return None
    words = f"{failure.code or ''} {failure.message}".lower()
    return path if field not in options and any(word in words for word in _WORDS) else None


def without(encoded: Encoded, paths: Collection[str]) -> Encoded:
    """`encoded` without `paths`, which then count as dropped."""
    if not paths:
        return encoded
    gone = tuple(path for path in sorted(paths) if _holds(encoded.body, path))
    body = encoded.body
    for path in gone:
        body = _left(body, path)
    return encoded._replace(body=body, dropped=encoded.dropped + gone)


def _is_essential(path: str, body: Mapping[str, Any]) -> bool:
    """Also of what holds something essential: `text` holds `text.format`."""
    inner = body.get(path)
    held = [f"{path}.{key}" for key in inner] if isinstance(inner, Mapping) else []
    return not _ESSENTIAL.isdisjoint((path, path.partition(".")[0], *held))


def _path(param: str, body: Mapping[str, Any]) -> str:
    """What to leave out: `reasoning.summary` where that is sent, not all of `reasoning`; else the
    field itself."""
    field, *inner = param.partition("[")[0].split(".")
    path = ".".join((field, *inner[:1]))
    return path if _holds(body, path) else field


def _holds(body: Mapping[str, Any], path: str) -> bool:
    field, _, inner = path.partition(".")
    value = body.get(field)
    return field in body and (not inner or (isinstance(value, Mapping) and inner in value))


def _left(body: dict[str, Any], path: str) -> dict[str, Any]:
    """`body` without `path`, and without what nothing is left in."""
    field, _, inner = path.partition(".")
    left = {key: value for key, value in body[field].items() if key != inner} if inner else {}
    return (
        {**body, field: left}
        if left
        else {key: value for key, value in body.items() if key != field}
    )


_REPLAYS: Final = frozenset({"reasoning_details", "extra_content"})
"""Keys of the hub that carry what a model thought, of a message and of what it holds."""
_HOLDERS: Final = ("tool_calls", "images")


def refuses_replay(failure: Failure, chat: Chat) -> bool:
    """Whether the provider refuses reasoning of earlier turns that goes back with this request:
    signatures are bound to an account and, on some models, to everything before them."""
    return failure.param == REPLAYED and any(map(_replays, chat.get("messages", ())))


def without_replay(chat: Chat) -> Chat:
    """`chat` without the reasoning of earlier turns, which every provider does without."""
    return {
        **chat,
        "messages": [
            _unreplayed(message) if _replays(message) else message for message in chat["messages"]
        ],
    }


def _replays(message: Mapping[str, Any]) -> bool:
    held = (item for key in _HOLDERS for item in message.get(key) or ())
    return any(not _REPLAYS.isdisjoint(item) for item in chain((message,), held))


def _unreplayed(message: Mapping[str, Any]) -> dict[str, Any]:
    held = {key: [_plain(item) for item in message[key]] for key in _HOLDERS if message.get(key)}
    return _plain(message) | held


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in _REPLAYS}
