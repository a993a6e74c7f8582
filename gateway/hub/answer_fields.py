"""One fate for every field of a provider's answer: kept, translated, or dropped for a reason.

A dialect declares a table `ANSWER`: part of the answer → field → `Fate`. Its decoders keep every
field that the table does not name, streamed and not, because an unknown field may be new. The
contract's typed fields take only valid values (strict clients refuse the answer otherwise): any
other value is kept as `native_<field>`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gateway.hub.chunks import fingerprint
from gateway.hub.fields import Action


class Fate(NamedTuple):
    """The treatment of one field of an answer."""

    action: Action
    note: str = ""
    """Where it goes, for TRANSLATE; why, for DROP."""


Fields = Mapping[str, Fate]

KEPT: Final = Fate(Action.PASS)


def translated(to: str) -> Fate:
    return Fate(Action.TRANSLATE, to)


def dropped(reason: str) -> Fate:
    return Fate(Action.DROP, reason)


def not_kept(fields: Fields) -> frozenset[str]:
    """The fields that the decoder itself reads or leaves out."""
    return frozenset(field for field, fate in fields.items() if fate.action is not Action.PASS)


def other_fields(body: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields of `body` except `known` ones. A null says nothing."""
    kept = body.keys() - known
    if not kept:
        return {}
    return {key: body[key] for key in sorted(kept) if body[key] is not None}


# --- values that the contract types ---------------------------------------------------------------

_TIERS: Final = frozenset({"auto", "default", "flex", "fast", "scale", "priority"})


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_tier(value: Any) -> bool:
    return isinstance(value, str) and value in _TIERS


def _is_moderation(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    sides = [value.get(side) for side in ("input", "output")]
    return all(isinstance(side, Mapping) and side.get("type") in _MODERATION for side in sides)


_MODERATION: Final = ("moderation_results", "error")


def is_audio(value: Any) -> bool:
    """Whether a whole message may have `value` as its `audio`."""
    if not isinstance(value, Mapping) or not isinstance(value.get("expires_at"), int):
        return False
    return all(isinstance(value.get(key), str) for key in ("id", "data", "transcript"))


def is_logprobs(value: Any) -> bool:
    """Whether a choice may have `value` as its `logprobs`."""
    if not isinstance(value, Mapping):
        return False
    lists = [value[key] for key in ("content", "refusal") if value.get(key) is not None]
    return all(isinstance(items, list) and all(map(_is_token, items)) for items in lists)


def _is_token(item: Any) -> bool:
    if not isinstance(item, Mapping) or not isinstance(item.get("token"), str):
        return False
    return isinstance(item.get("logprob"), int | float) and isinstance(
        item.get("top_logprobs"), list
    )


ANSWER_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "service_tier": _is_tier,
    "system_fingerprint": _is_text,
    "moderation": _is_moderation,
}
MESSAGE_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {"audio": is_audio}
_NO_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {}


def typed(
    extras: Mapping[str, Any], types: Mapping[str, Callable[[Any], bool]] = _NO_TYPES
) -> dict[str, Any]:
    """`extras` with each value that breaks its type in the contract under `native_<field>`."""
    return {
        key if key not in types or types[key](value) else f"native_{key}": value
        for key, value in extras.items()
    }


def native_finish(reason: Any, plain: frozenset[str]) -> dict[str, Any]:
    """The provider's own word for the end, where the contract's four say less; `plain` are words
    that say the same."""
    return {"native_finish_reason": reason} if reason and reason not in plain else {}


# --- annotations ----------------------------------------------------------------------------------


def url_citation(source: Mapping[str, Any], index: int, **more: Any) -> dict[str, Any]:
    """An annotation of the contract: four fields of the right types, and whatever else is known."""
    return {
        "type": "url_citation",
        "index": index,
        "url_citation": {
            **more,
            "url": _text(source.get("url")),
            "title": _text(source.get("title")),
            "start_index": _place(source.get("start_index")),
            "end_index": _place(source.get("end_index")),
        },
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _place(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def is_url_citation(annotation: Any) -> bool:
    """Whether `annotation` is one that the contract has."""
    if not isinstance(annotation, Mapping) or annotation.get("type") != "url_citation":
        return False
    source = annotation.get("url_citation")
    return isinstance(source, Mapping) and isinstance(source.get("url"), str)


# --- streams --------------------------------------------------------------------------------------


class Held:
    """The kept fields around the deltas of a stream: each value is sent once.

    Servers repeat such fields in every event, or grow them from event to event; the last value
    holds. They leave with the finish reason, and later ones with the token counts.
    """

    def __init__(self, types: Mapping[str, Callable[[Any], bool]] = _NO_TYPES) -> None:
        self._types = types
        self._new: dict[str, Any] = {}
        self._sent: dict[str, Any] = {}
        self._noted: Mapping[str, Any] = {}

    def note(self, extras: Mapping[str, Any]) -> None:
        if not extras or extras == self._noted:
            return
        self._noted = extras
        for key, value in typed(extras, self._types).items():
            known = self._new.get(key, self._sent.get(key))
            if isinstance(known, dict) and isinstance(value, dict):
                value = {**known, **value}
            if value != known:
                self._new[key] = value

    def take(self) -> dict[str, Any]:
        """The fields that are not sent yet; they count as sent from now on."""
        new, self._new = self._new, {}
        self._sent |= new
        return new

    def last(self) -> dict[str, Any]:
        """The same for the last chunk, where accumulators look for the fingerprint."""
        return self.take() | fingerprint(self._sent)


_GROWING: Final = frozenset({"reasoning_details", "audio"})
"""Fields whose pieces may be alike: anything else that repeats itself says nothing new."""


class Deltas:
    """The kept fields of the deltas of one choice, as an accumulator can add them up.

    Accumulators join texts, extend lists by `index`, and add numbers. So texts pass as the pieces
    that they are, items get an index of their own, and a number leaves once, at the end.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._last: dict[str, Any] = {}
        self._numbers: dict[str, Any] = {}

    def pieces(self, extras: Mapping[str, Any]) -> dict[str, Any]:
        """The part of `extras` that has to be sent now."""
        found: dict[str, Any] = {}
        for key, value in extras.items():
            if isinstance(value, int | float):
                self._numbers[key] = value
            elif isinstance(value, str):
                found[key] = value
            elif key in _GROWING or value != self._last.get(key):
                self._last[key] = value
                found[key] = self.indexed(key, value)
        return {key: value for key, value in found.items() if value}

    def indexed(self, key: str, value: Any) -> Any:
        """Items of the list `value` with an integer `index`: one official accumulator crashes
        without it, and joins items of one index."""
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            return value
        items = []
        for item in value:
            stated = item.get("index")
            place = stated if isinstance(stated, int) else self._counts.get(key, 0)
            self._counts[key] = max(self._counts.get(key, 0), place + 1)
            items.append({**item, "index": place})
        return items

    def numbers(self) -> dict[str, Any]:
        """The numbers, once, when the choice ends."""
        numbers, self._numbers = self._numbers, {}
        return numbers
