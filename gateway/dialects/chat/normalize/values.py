"""The fields of the request: what a value means, which habits of clients mean nothing.

Local servers taught clients to write -1 for "no limit" and "any seed", and forms send numbers as
text. Both have one meaning and are taken; anything else outside the contract is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gateway.dialects.chat.normalize.refusals import invalid
from gateway.hub.counts import COUNT_MAX
from gateway.types import Chat

_LIMITS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens", "n_predict")
"""Names of the output limit, the one that counts first. The last is llama.cpp's."""

_NUMBER: Final = re.compile(r"\s*[+-]?\d{1,20}(\.\d{0,30})?([eE][+-]?\d{1,2})?\s*", re.ASCII)

_WHOLE: Final = frozenset((*_LIMITS, "n", "seed", "top_k", "top_logprobs"))
_NUMBERS: Final = _WHOLE | {
    "temperature",
    "top_p",
    "min_p",
    "top_a",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
}
_SWITCHES: Final = frozenset({"stream", "logprobs", "store", "parallel_tool_calls"})
_WORDS: Final[Mapping[Any, bool]] = {"true": True, "false": False, "1": True, "0": False}

_ABSENT: Final[Mapping[str, tuple[Any, ...]]] = {
    **dict.fromkeys(_LIMITS, (-1, 0)),
    "n_predict": (-2, -1, 0),  # -2 fills the context
    "seed": (-1,),
    "top_k": (-1, 0),
    "logit_bias": ([],),
    "response_format": ({},),
    "tool_choice": ({},),
}
"""Values by which local servers' clients say that they want nothing in particular."""
_EMPTY: Final = frozenset(
    {
        *_NUMBERS,
        *_SWITCHES,
        "tool_choice",
        "function_call",
        "reasoning_effort",
        "response_format",
        "stop",
        "metadata",
    }
)
"""Fields in which an empty string says nothing."""


_LOOSE: Final = _NUMBERS | _SWITCHES | _EMPTY | _ABSENT.keys()
"""Fields of which clients write a value, or nothing, in several ways."""


def plain_values(chat: Chat) -> Chat:
    """`chat` with plain values only. Raises `Failed` naming the field that is wrong."""
    chat = {field: value for field, value in chat.items() if value is not None}
    for field in _LOOSE & chat.keys():
        value = chat[field]
        if type(value) is bool or (type(value) is int and value > 0 and field not in _SWITCHES):
            continue  # it is plain, and says something
        chat[field] = _plain(field, value)
        if _says_nothing(field, chat[field]):
            del chat[field]
    _check(chat)
    if not _FOLDED.isdisjoint(chat):
        _fold_limit(chat)
        _fold_stop(chat)
        _drop_idle(chat)
    return chat


def _plain(field: str, value: Any) -> Any:
    if field in _NUMBERS and isinstance(value, str | float):
        return _number(field, value)
    if field in _SWITCHES:
        return _switch(value)
    if field == "response_format" and value in ("text", "json_object"):
        return {"type": value}
    return value


def _number(field: str, value: str | float) -> Any:
    """A number, of text too; whole where the field counts. What is not a number stays as it is."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return value
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    if field in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _switch(value: Any) -> Any:
    """`true` as text or as a number; a boolean stays what it is."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return value
    return _WORDS.get(str(value).strip().lower(), value)


def _says_nothing(field: str, value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str) and field in _EMPTY:
        return not value.strip()
    return value in _ABSENT.get(field, ())


# --- types ----------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: _is_number(value) and low <= value <= high


def _is_whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _nothing(value: Any) -> bool:
    return False


class _Type(NamedTuple):
    """What a field may hold."""

    wanted: str
    """In words."""
    kinds: frozenset[type] = frozenset()
    """Types of which every value is accepted."""
    accepts: Callable[[Any], bool] = _nothing
    """Decides about any other value."""
    may_be_empty: bool = True


def _is(*kinds: type, wanted: str) -> _Type:
    return _Type(wanted, frozenset(kinds))


_COUNT: Final = _Type("an integer of at least 1", accepts=_is_whole(1, COUNT_MAX))
_OBJECT: Final = _is(dict, wanted="an object")
_BOOLEAN: Final = _is(bool, wanted="a boolean")

_TYPES: Final[Mapping[str, _Type]] = {
    "model": _Type("a non-empty string", frozenset({str}), may_be_empty=False),
    "messages": _Type("a non-empty array", frozenset({list}), may_be_empty=False),
    **dict.fromkeys(_LIMITS, _COUNT),
    "n": _COUNT,
    "top_k": _COUNT,
    "temperature": _Type("a number from 0 to 2", accepts=_between(0, 2)),
    "top_p": _Type("a number from 0 to 1", accepts=_between(0, 1)),
    "stop": _is(str, list, wanted="a string or an array of strings"),
    "stream": _BOOLEAN,
    "logprobs": _BOOLEAN,
    "parallel_tool_calls": _BOOLEAN,
    "stream_options": _OBJECT,
    "tools": _is(list, wanted="an array of tools"),
    "tool_choice": _is(str, dict, wanted="a string or an object"),
    "functions": _is(list, wanted="an array of functions"),
    "response_format": _OBJECT,
    "reasoning_effort": _is(str, wanted="a string"),
    "logit_bias": _OBJECT,
    "metadata": _OBJECT,
    "seed": _Type("an integer of 64 bits", accepts=_is_whole(-(2**63), 2**63 - 1)),
}


def _check(chat: Chat) -> None:
    for field in ("model", "messages"):
        if field not in chat:
            message = f"you must provide a {field} parameter"
            raise invalid(message, field, "missing_required_parameter")
    for field, value in chat.items():
        if field not in _TYPES:
            continue
        known = _TYPES[field]
        is_sure = type(value) in known.kinds and (value or known.may_be_empty)
        if not is_sure and not known.accepts(value):
            message = f"Invalid value for '{field}': expected {known.wanted}."
            raise invalid(message, field, "invalid_value")


# --- several names for one thing ------------------------------------------------------------------


_FOLDED: Final = frozenset(
    (*_LIMITS, "stop", "tools", "functions", "logit_bias", "stream_options", "top_logprobs")
)
"""The fields that the functions below read or change."""


def _fold_limit(chat: Chat) -> None:
    stated = [chat.pop(field) for field in _LIMITS if field in chat]
    if stated:
        chat["max_completion_tokens"] = stated[0]


def _fold_stop(chat: Chat) -> None:
    stop = chat.pop("stop", [])
    texts = [stop] if isinstance(stop, str) else stop
    stops = [text for text in texts if isinstance(text, str) and text]  # an empty one stops nothing
    if stops:
        chat["stop"] = stops


def _drop_idle(chat: Chat) -> None:
    """Fields that say nothing, alone or without the field they belong to."""
    for field in ("tools", "functions", "logit_bias"):
        if field in chat and not chat[field]:
            del chat[field]
    if not chat.get("stream"):
        chat.pop("stream_options", None)
    if not chat.get("logprobs"):
        chat.pop("top_logprobs", None)
