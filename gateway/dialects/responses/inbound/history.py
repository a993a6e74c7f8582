"""Conversations that clients continue by id: pure functions over a store that the caller owns.

The API lets a client send `previous_response_id`, or `item_reference` items, instead of what was
said. The gateway keeps whole answers with their input and puts them back before the request is
decoded, so that every provider can go on. `find` looks up a response by its id, or by the id of an
item that it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.dialects.chat.normalize import invalid
from gateway.dialects.responses.inbound.items import kind_of
from gateway.dialects.responses.inbound.notes import Notes
from gateway.failures import Failed
from gateway.hub import exact_json
from gateway.hub.contracts import Request
from gateway.hub.tools import digest

Item = Mapping[str, Any]

PAGE: Final = 20
PAGE_MAX: Final = 100
_HINT: Final = "Send the whole input, or set store to false."
_ANSWERED: Final = frozenset({"completed", "incomplete"})


class Expanded(dict[str, Any]):
    """A body whose input is complete. `previous_response_id` is still in it, for the answer to
    repeat."""


class Stored(NamedTuple):
    """An answer and the conversation that led to it."""

    response: Mapping[str, Any]
    """The response object, as the client saw it."""
    input: tuple[Item, ...]
    """All of the conversation before it, the oldest item first."""
    items: Mapping[str, Item]
    """Everything that can be referred to, by id."""
    bytes: int
    """The size of response and input as JSON."""

    @property
    def id(self) -> str:
        return str(self.response["id"])

    @property
    def conversation(self) -> tuple[Item, ...]:
        """The items with which a request that continues this answer begins."""
        return (*self.input, *self.response["output"])


Find = Callable[[str], Stored | None]


def not_found(id_: str) -> Failed:
    """The error for a `previous_response_id` that is not stored."""
    message = f"Previous response with id '{id_[:100]}' not found. {_HINT}"
    return invalid(message, "previous_response_id", "previous_response_not_found")


def expand(body: Mapping[str, Any], find: Find) -> Expanded:
    """`body` with everything that it names by id put into its input. Call it before
    `decode_request`, always.

    Raises `Failed` (400) for a response or an item that `find` does not know. A reference to
    unknown reasoning is left out: an answer without it is worse, not wrong.
    """
    expanded = Expanded(body)
    previous, given = body.get("previous_response_id"), body.get("input")
    before: tuple[Item, ...] = ()
    if isinstance(previous, str):
        found = find(previous)
        if found is None or found.id != previous:
            raise not_found(previous)
        before = found.conversation
    if before or isinstance(given, list):
        seen = set(_by_id(before))
        expanded["input"] = [*before, *_resolved(listed(given), seen, find)]
    return expanded


def listed(given: Any) -> Sequence[Any]:
    """An input as a list of items."""
    if isinstance(given, str):
        content = [{"type": "input_text", "text": given}]
        return [{"type": "message", "role": "user", "content": content}]
    return given if isinstance(given, list) else []


def _resolved(items: Sequence[Any], seen: set[str], find: Find) -> Iterator[Any]:
    """`items` without references. An item is in a conversation once, however often it is referred
    to."""
    for number, item in enumerate(items):
        if not isinstance(item, Mapping) or kind_of(item) != "item_reference":
            yield item
            continue
        id_ = item.get("id")
        if not isinstance(id_, str):
            raise invalid(
                f"Missing required parameter: 'input[{number}].id'.", f"input[{number}].id"
            )
        if id_ in seen:
            continue
        seen.add(id_)
        yield from _referred(id_, find)


def _referred(id_: str, find: Find) -> Sequence[Item]:
    stored = find(id_)
    if stored is not None and id_ in stored.items:
        return (stored.items[id_],)
    if id_.startswith("rs_"):
        return ()
    raise invalid(f"Item with id '{id_[:100]}' not found. {_HINT}", "input", "item_not_found")


def kept(request: Request, response: Mapping[str, Any] | None) -> Stored | None:
    """The stored form of an answer; None for one that the client does not want stored, or that is
    not whole."""
    notes = request.notes
    if not isinstance(notes, Notes) or not notes.store or response is None:
        return None
    status, id_ = response.get("status"), response.get("id")
    if not isinstance(status, str) or status not in _ANSWERED or not isinstance(id_, str):
        return None
    own = {"store": True, "previous_response_id": notes.echo.get("previous_response_id")}
    given = response.get("output")
    items = given if isinstance(given, list) else ()
    output = [item for item in items if isinstance(item, Mapping)]
    whole = {**response, **own, "output": output}
    before = tuple(item for item in listed(request.body.get("input")) if isinstance(item, Mapping))
    size = len(exact_json.dumps(whole)) + len(exact_json.dumps(before))
    return Stored(whole, before, _by_id((*before, *output)), size)


def restored(response: Mapping[str, Any], before: Sequence[Item]) -> Stored:
    """The result of `kept`, from its parts."""
    size = len(exact_json.dumps(response)) + len(exact_json.dumps(before))
    return Stored(response, tuple(before), _by_id((*before, *response["output"])), size)


def named_by(body: Mapping[str, Any]) -> Iterator[str]:
    """The ids of responses and items that a request refers to."""
    previous = body.get("previous_response_id")
    if isinstance(previous, str):
        yield previous
    for item in listed(body.get("input")):
        if (
            isinstance(item, Mapping)
            and kind_of(item) == "item_reference"
            and isinstance(item.get("id"), str)
        ):
            yield item["id"]


def _by_id(items: Sequence[Item]) -> dict[str, Item]:
    return {item["id"]: item for item in items if isinstance(item.get("id"), str)}


# --- what the endpoints answer --------------------------------------------------------------------


def input_items(stored: Stored, query: Mapping[str, str]) -> dict[str, Any]:
    """One page of the items that led to an answer. `query` holds `order` (`desc` unless stated),
    `after`, `limit`.

    Raises `Failed` (400) for an invalid limit and for an `after` that is not among the items.
    """
    items = [_with_id(item, f"{stored.id} {number}") for number, item in enumerate(stored.input)]
    if query.get("order") != "asc":
        items.reverse()
    after = query.get("after")
    if after:
        items = items[_place(items, after) + 1 :]
    limit = _limit(query.get("limit"))
    page = items[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > limit,
    }


def deleted(id_: str) -> dict[str, Any]:
    """The answer to a deletion."""
    return {"id": id_, "object": "response", "deleted": True}


def _limit(stated: str | None) -> int:
    if stated is None:
        return PAGE
    if not stated.isdecimal() or not 1 <= len(stated) <= 4 or not 1 <= int(stated) <= PAGE_MAX:
        raise invalid(
            f"Invalid 'limit': expected an integer from 1 to {PAGE_MAX}.", "limit", "invalid_value"
        )
    return int(stated)


def _place(items: list[dict[str, Any]], id_: str) -> int:
    for number, item in enumerate(items):
        if item["id"] == id_:
            return number
    raise invalid("Invalid 'after': no such item.", "after", "invalid_value")


_PREFIXES: Final[Mapping[str, str]] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "tool_search_call": "tsc",
}


def _with_id(item: Item, place: str) -> dict[str, Any]:
    """An item as a list shows it: with a type, an id, and its content as parts."""
    kind = kind_of(item)
    shown: dict[str, Any] = {**item, "type": kind}
    if not isinstance(item.get("id"), str):
        shown["id"] = f"{_PREFIXES.get(kind, 'item')}_{digest(place, 32)}"
    if kind == "message" and isinstance(item.get("content"), str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        shown["content"] = [{"type": part, "text": item["content"]}]
    return shown
