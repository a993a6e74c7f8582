"""Plays a fault: a request in, the exact bytes and pauses of the answer out. No I/O; `server.py`
carries it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import ModuleType
from typing import Any, Final

import orjson

from gateway.lab.answers import Asked, answer
from gateway.lab.events import ErrorAnswer, Part
from gateway.lab.faults import CUT_AT, FAULTS

HTML: Final = (
    b"<html><head><title>503 Service Temporarily Unavailable</title></head><body></body></html>"
)
CHALLENGE: Final = (
    b"<!DOCTYPE html><html><head><title>Just a "
    b"moment...</title></head><body>Verify you are human</body></html>"
)
HUGE_BYTES: Final = 1024 * 1024
NOISE: Final = b": keep-alive\n\n"
BLANK: Final = b"\n"
"""The same before a JSON body."""


class Act(Enum):
    """The action of a step besides sending bytes."""

    HANG = "hang"
    """Waits until the client leaves."""
    PAUSE = "pause"
    """Waits for the lab's slow first token."""
    RESET = "reset"
    """Resets the connection."""
    FLOOD = "flood"
    """Sends `NOISE` until the client leaves."""


Step = bytes | Act


@dataclass(slots=True)
class Played:
    """An answer, ready to be sent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    length: int | None = None
    """The stated content length; None for a chunked body."""
    before_headers: Act | None = None
    """The behaviour before the first byte."""
    noise: bytes = NOISE
    """The bytes of a flood."""


def play(fault: str, api: ModuleType, asked: Asked, id_: str) -> Played:
    """The answer of `api` to `asked`, with `fault` in it. Raises `KeyError` for an unknown
    fault."""
    row = FAULTS[fault]
    if fault in _BEFORE:
        return _BEFORE[fault](api, asked, id_)
    if row.error is not None and row.outcome != "truth" and fault not in _PARTS:
        return error(api.error(row.error))
    said = answer(_tool_asked(asked) if fault == "cut_tool_call" else asked)
    if fault in ("empty", "content_filter"):
        said = replace(
            said.without_content(), finish="stop" if fault == "empty" else "content_filter"
        )
    if asked.stream:
        return _stream(fault, api.events(said, asked.model, id_), api)
    return _whole(fault, api.whole(said, asked.model, id_), api)


def good(body: Any) -> Played:
    """A good answer that is not streamed."""
    data = orjson.dumps(body)
    return Played(200, {"content-type": "application/json"}, [data], len(data))


def error(found: ErrorAnswer) -> Played:
    """An error answer."""
    body = orjson.dumps(found.body)
    return Played(
        found.status, {"content-type": "application/json", **found.headers}, [body], len(body)
    )


def _tool_asked(asked: Asked) -> Asked:
    tools = asked.tools or {
        "look_up": {"type": "object", "properties": {"city": {"type": "string"}}}
    }
    return replace(asked, tools=tools, forced=True, answered=False)


# --- instead of an answer -------------------------------------------------------------------------


def _reset(api: ModuleType, asked: Asked, id_: str) -> Played:
    return Played(before_headers=Act.RESET)


def _silent(api: ModuleType, asked: Asked, id_: str) -> Played:
    return Played(before_headers=Act.HANG)


def _slow(api: ModuleType, asked: Asked, id_: str) -> Played:
    played = play("ok", api, asked, id_)
    if asked.stream:
        played.steps.insert(0, Act.PAUSE)
    else:
        played.before_headers = Act.PAUSE
    return played


def _unavailable(api: ModuleType, asked: Asked, id_: str) -> Played:
    return Played(503, {"content-type": "text/html"}, [HTML], len(HTML))


def _challenge(api: ModuleType, asked: Asked, id_: str) -> Played:
    return Played(403, {"content-type": "text/html; charset=UTF-8"}, [CHALLENGE], len(CHALLENGE))


def _not_json(api: ModuleType, asked: Asked, id_: str) -> Played:
    return Played(200, {"content-type": "text/html"}, [HTML], len(HTML))


def _empty_body(api: ModuleType, asked: Asked, id_: str) -> Played:
    return Played(
        200, {"content-type": "text/event-stream" if asked.stream else "application/json"}, [], 0
    )


def _flood(api: ModuleType, asked: Asked, id_: str) -> Played:
    form, noise = ("text/event-stream", NOISE) if asked.stream else ("application/json", BLANK)
    return Played(200, {"content-type": form}, [Act.FLOOD], noise=noise)


_BEFORE: Final[Mapping[str, Callable[[ModuleType, Asked, str], Played]]] = {
    "reset": _reset,
    "silent": _silent,
    "slow_first_token": _slow,
    "unavailable": _unavailable,
    "challenge_page": _challenge,
    "not_json": _not_json,
    "empty_body": _empty_body,
    "comment_flood": _flood,
}


# --- streams --------------------------------------------------------------------------------------


def _stream(fault: str, parts: list[Part], api: ModuleType) -> Played:
    edited = _PARTS[fault](parts, api) if fault in _PARTS else parts
    steps: list[Step] = [step if isinstance(step, Act) else step.encode() for step in edited]
    if fault in _BYTES:
        steps = [piece for step in steps for piece in _BYTES[fault](step)]
    return Played(200, {"content-type": "text/event-stream"}, steps)


Edited = list[Part | Act]


def _middle(parts: list[Part]) -> int:
    """Where a stream breaks: behind `CUT_AT` pieces of content, or half of them where there are
    fewer."""
    places = [place for place, part in enumerate(parts) if part.role == "content"]
    if not places:
        return len(parts) // 2
    return places[min(CUT_AT, max(len(places) // 2, 1)) if len(places) <= CUT_AT else CUT_AT]


def _error_first(parts: list[Part], api: ModuleType) -> Edited:
    return [api.error_part("overloaded")]


def _error_after_role(parts: list[Part], api: ModuleType) -> Edited:
    return (
        [*parts[:1], api.error_part("overloaded")]
        if parts[0].role == "head"
        else _error_first(parts, api)
    )


def _cut(parts: list[Part], api: ModuleType) -> Edited:
    return [*parts[: _middle(parts)], Act.RESET]


def _clean_cut(parts: list[Part], api: ModuleType) -> Edited:
    return list(parts[: _middle(parts)])


def _stall(parts: list[Part], api: ModuleType) -> Edited:
    return [*parts[: _middle(parts)], Act.HANG]


def _bad_chunk(parts: list[Part], api: ModuleType) -> Edited:
    middle = _middle(parts)
    broken = parts[middle]._replace(data=orjson.dumps(parts[middle].data).decode()[:-9])
    return [*parts[:middle], broken, *parts[middle + 1 :]]


def _error_mid_stream(parts: list[Part], api: ModuleType) -> Edited:
    return [*parts[: _middle(parts)], api.error_part("overloaded")]


def _cut_tool_call(parts: list[Part], api: ModuleType) -> Edited:
    """Behind the first half of the arguments; where a call is one event, before its finish."""
    content = [place for place, part in enumerate(parts) if part.role == "content"]
    return list(parts[: content[-1] if len(content) > 1 else content[-1] + 1])


def _no_done(parts: list[Part], api: ModuleType) -> Edited:
    return [part for part in parts if part.role != "done"]


def _two_finishes(parts: list[Part], api: ModuleType) -> Edited:
    return [copy for part in parts for copy in ([part, part] if part.role == "finish" else [part])]


def _without_usage(parts: list[Part], api: ModuleType) -> Edited:
    return [part._replace(data=without_usage(part.data)) for part in parts if part.role != "usage"]


def _usage_late(parts: list[Part], api: ModuleType) -> Edited:
    return list(parts)


def _huge(parts: list[Part], api: ModuleType) -> Edited:
    """The first event grows by a megabyte of white space, which JSON allows."""
    text = orjson.dumps(parts[0].data).decode()
    return [parts[0]._replace(data=text[:-1] + " " * HUGE_BYTES + "}"), *parts[1:]]


def _pings(parts: list[Part], api: ModuleType) -> Edited:
    """One behind every event but the last, which ends the stream."""
    pinged: Edited = [each for part in parts[:-1] for each in (part, api.ping())]
    return [*pinged, parts[-1]]


def _late_names(parts: list[Part], api: ModuleType) -> Edited:
    """Where the API lets a call begin without its name."""
    return list(api.late_names(parts)) if hasattr(api, "late_names") else list(parts)


def _error_after_finish(parts: list[Part], api: ModuleType) -> Edited:
    return [*_no_done(parts, api), api.error_part("overloaded")]


def _text_after_finish(parts: list[Part], api: ModuleType) -> Edited:
    """The last piece of content; an API whose finish is its last event and holds the whole answer
    cannot do it."""
    if getattr(api, "FINISH_IS_LAST", False):
        return list(parts)
    last = max(place for place, part in enumerate(parts) if part.role == "content")
    others = [*parts[:last], *parts[last + 1 :]]
    finish = next(place for place, part in enumerate(others) if part.role == "finish")
    return [*others[: finish + 1], parts[last], *others[finish + 1 :]]


def _halves(parts: list[Part], api: ModuleType) -> Edited:
    """A character of two UTF-16 units ends one event with the first, and begins the next with the
    second."""
    edited: Edited = []
    for part in parts:
        text = orjson.dumps(part.data).decode()
        before, found, _ = text.partition("\U0001f648")
        if part.role == "content" and found:
            alone = before[: before.rindex('"') + 1]
            high, low = (
                text.replace(found, "\\ud83d"),
                text.replace(before + found, alone + "\\ude48"),
            )
            edited += [part._replace(data=high), part._replace(data=low)]
        else:
            edited.append(part)
    return edited


def _unasked_choices(parts: list[Part], api: ModuleType) -> Edited:
    edited: Edited = []
    for part in parts:
        other = _unasked(part.data) if part.role in ("content", "finish") else None
        edited += [part._replace(data=other), part] if other is not None else [part]
    return edited


def _unasked(body: Any) -> dict[str, Any] | None:
    """The same with its choice under an index that was not asked for; None where an API counts
    none."""
    key = next((key for key in ("choices", "candidates") if body.get(key)), None)
    return {**body, key: [{**body[key][0], "index": 1}]} if key is not None else None


def _done_then_open(parts: list[Part], api: ModuleType) -> Edited:
    return [*parts, Act.HANG]


_PARTS: Final[Mapping[str, Callable[[list[Part], ModuleType], Edited]]] = {
    "error_first_event": _error_first,
    "error_after_role": _error_after_role,
    "cut": _cut,
    "clean_cut": _clean_cut,
    "stall": _stall,
    "bad_chunk": _bad_chunk,
    "error_mid_stream": _error_mid_stream,
    "cut_tool_call": _cut_tool_call,
    "no_done": _no_done,
    "two_finishes": _two_finishes,
    "usage_late": _usage_late,
    "usage_missing": _without_usage,
    "pings": _pings,
    "huge_event": _huge,
    "late_name": _late_names,
    "error_after_finish": _error_after_finish,
    "text_after_finish": _text_after_finish,
    "half_emoji": _halves,
    "unasked_choice": _unasked_choices,
    "done_then_open": _done_then_open,
}


def without_usage(data: Any) -> Any:
    """The same event or answer without its token counts."""
    if not isinstance(data, dict):
        return data
    return {
        key: without_usage(value)
        for key, value in data.items()
        if key not in ("usage", "usageMetadata")
    }


def _comments(step: Step) -> Iterable[Step]:
    return [b": keep-alive\n\n", step]


def _crlf(step: Step) -> Iterable[Step]:
    return [step.replace(b"\n", b"\r\n") if isinstance(step, bytes) else step]


def _split(step: Step) -> Iterable[Step]:
    return (
        [step[place : place + 1] for place in range(len(step))]
        if isinstance(step, bytes)
        else [step]
    )


_BYTES: Final[Mapping[str, Callable[[Step], Iterable[Step]]]] = {
    "comments": _comments,
    "crlf": _crlf,
    "split_utf8": _split,
}


# --- whole answers --------------------------------------------------------------------------------


def _whole(fault: str, body: dict[str, Any], api: ModuleType) -> Played:
    if fault in ("error_first_event", "error_after_role"):
        return replace(error(api.error("overloaded")), status=200)  # an error inside a 200
    other = _unasked(body) if fault == "unasked_choice" else None
    if other is not None:
        body = {
            **body,
            **{key: other[key] + body[key] for key in ("choices", "candidates") if key in body},
        }
    data = orjson.dumps(without_usage(body) if fault == "usage_missing" else body)
    headers, half = {"content-type": "application/json"}, len(data) // 2
    if fault == "cut":
        return Played(200, headers, [data[:half], Act.RESET], len(data))
    if fault == "stall":
        return Played(200, headers, [data[:half], Act.HANG], len(data))
    if fault in ("clean_cut", "bad_chunk"):
        return Played(200, headers, [data[:half]], half)
    return Played(200, headers, [data], len(data))


def refuse(api: ModuleType) -> Played:
    """The answer to a request the API would not take."""
    return error(api.error("bad_request"))
