"""The tool calls of an answer: their ids, and the form of a call that is whole."""

from __future__ import annotations

from typing import Any, Final

from gateway.hub.contracts import Encoded
from gateway.hub.tools import custom_input, digest

_NONE: Final = ("", "null")
"""What some servers write for an id that they do not give."""


def stated_id(id_: Any) -> str | None:
    """The id that a provider gave a call; None where it gave none, in one of the ways of giving
    none."""
    if type(id_) is int:
        return str(id_)
    return id_ if type(id_) is str and id_ not in _NONE else None


class CallIds:
    """The ids of the tool calls of one choice.

    Clients tell calls apart by nothing else. So a call keeps the provider's id, unless it has none
    or another call has the same one: then it gets an id that is made of `answer`, the id of the
    answer, and of its place.
    """

    def __init__(self, answer: Any = "", choice: int = 0) -> None:
        self.answer = answer
        self._choice = choice
        self._given: set[str] = set()
        self.count = 0

    def take(self, stated: Any) -> str:
        """The id of the next call, for which the provider states this one."""
        id_ = stated_id(stated)
        if id_ is None or id_ in self._given:
            id_ = "call_" + digest(f"{self.answer or ''} {self._choice} {self.count}", 24)
        self.count += 1
        self._given.add(id_)
        return id_


def whole_call(id_: str, name: Any, arguments: str, encoded: Encoded) -> dict[str, Any]:
    """A call of a function with `arguments`, a text of JSON, under the client's own name for it;
    or of the `custom` tool that was sent as a function."""
    name = encoded.names.get(name, name)
    if name in encoded.custom_tools:
        custom = {"name": name, "input": custom_input(arguments)}
        return {"id": id_, "type": "custom", "custom": custom}
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
