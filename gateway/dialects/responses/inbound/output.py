"""The items of an answer, in order, from the deltas of the hub.

One item is open at a time. Text and reasoning end when another item begins. A function call ends
then only if its arguments are whole JSON, to which nothing can be added; any other call stays open
until the answer is finished, and what follows it is kept back. So a client never sees the end of a
call that changes afterwards, and every delta costs the same, however a provider mixes its calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from gateway.dialects.responses.inbound.notes import Notes, ToolName
from gateway.dialects.responses.inbound.output_items import (
    CALLS,
    Image,
    Item,
    Message,
    Reasoning,
    ToolCall,
)
from gateway.dialects.responses.inbound.writer import Writer
from gateway.hub.parts import data_url
from gateway.hub.tools import digest

_Shape = TypeVar("_Shape", bound=Item)

_CUT: Final = frozenset({"length", "content_filter"})
"""Finish reasons after which the last item may be half of what the model meant to say."""


class Output:
    """The output of one answer. `add` deltas, `end` it, take the `results`."""

    def __init__(self, writer: Writer, notes: Notes, answer_id: str) -> None:
        self._writer = writer
        self._notes = notes
        self._answer_id = answer_id
        self._items: list[Item] = []
        self._open: Item | None = None
        self._calls: dict[Any, ToolCall] = {}
        self._late: list[Any] = []
        """Reasoning details that came while text was open: they go before the next call, or to the
        end."""
        self._late_extra: Any = None
        self._logprobs: list[Any] = []
        """Those of the next text: a token may be a part of a letter."""
        self._ended = 0

    def add(self, fields: Mapping[str, Any], logprobs: Sequence[Any] = ()) -> None:
        """One delta of the hub, with the log probabilities of its text."""
        self._logprobs += logprobs
        for key in fields if len(fields) == 1 else _FIELDS:
            if key in _FIELDS and fields.get(key):
                _FIELDS[key](self, fields[key])
        if self._logprobs and self._is_text_last():
            self._text("")

    def end(self, finish: str | None) -> None:
        """The answer is finished: everything that is open or kept back ends."""
        if self._late or self._late_extra:
            self._thinking()
        for item in self._items[self._ended :]:
            if item is not self._open:
                item.begin(self._writer)
            self._end(item, cut=finish in _CUT)
        self._open = None

    def _end(self, item: Item, *, cut: bool) -> None:
        last = item is self._items[-1]
        if cut and isinstance(item, ToolCall) and item.is_cut(last=last):
            item.end_cut()
        else:
            is_half = cut and last and isinstance(item, Message)
            item.end(self._writer, "incomplete" if is_half else "completed")
        self._ended += 1

    def results(self) -> list[dict[str, Any]]:
        """The items that have ended."""
        return [item.result for item in self._items if item.result is not None]

    # --- the fields of a delta --------------------------------------------------------------------

    def _reasoning(self, text: str) -> None:
        item = self._thinking()
        item.do(partial(item.text, text), self._writer)

    def _keep(self, details: list[Any]) -> None:
        """Details of visible reasoning end with it; those that come behind a text do not cut it in
        two."""
        self._late += details
        if not self._is_text_last():
            self._thinking()

    def _keep_own(self, extra: Any) -> None:
        """The signature of a text comes with or behind it."""
        self._late_extra = extra

    def _text(self, text: str) -> None:
        item = self._last(Message)
        logprobs, self._logprobs = self._logprobs, []
        item.do(partial(item.text, text, logprobs), self._writer)

    def _refusal(self, text: str) -> None:
        if self._notes.refusal_as_text:
            self._text(text)
            return
        item = self._last(Message)
        item.do(partial(item.refusal, text), self._writer)

    def _annotations(self, annotations: Sequence[Any]) -> None:
        item = self._items[-1] if self._items else None
        if not isinstance(item, Message):
            return
        for annotation in annotations:
            flat = _annotation(annotation)
            if flat is not None:
                item.do(partial(item.annotate, flat), self._writer)

    def _images(self, images: Sequence[Any]) -> None:
        for image in images:
            url = _url(image)
            media = data_url(url)
            if media is not None and media.data:
                self._append(Image(self._id(Image), len(self._items), media.data))
            elif url:
                self._text(f"\n![image]({url})\n")

    def _tool_calls(self, deltas: Sequence[Mapping[str, Any]]) -> None:
        for delta in deltas:
            call = self._calls.get(delta["index"])
            if call is None:
                call = self._calls[delta["index"]] = self._begin_call(delta)
            text = _given(delta)
            if text and call.result is None:
                call.do(partial(call.more, text), self._writer)

    def _begin_call(self, delta: Mapping[str, Any]) -> ToolCall:
        kind = "custom" if "custom" in delta else "function"
        flat = (delta.get(kind) or {}).get("name") or ""
        tool = self._notes.tools.get(flat) or ToolName(None, flat, kind)  # type: ignore[arg-type]
        call_id = delta.get("id") or f"call_{digest(f'{self._answer_id} {len(self._items)}', 24)}"
        if delta.get("extra_content"):
            self._thinking().keep_for(call_id, delta["extra_content"])
        elif self._late or self._late_extra:
            self._thinking()
        shape = CALLS[tool.kind]
        call = shape(self._id(shape), len(self._items), call_id, tool, kind)
        self._append(call)
        return call

    def _thinking(self) -> Reasoning:
        """The last item where it is reasoning, else a new one; details that came late are in it."""
        item = self._last(Reasoning)
        item.keep(self._late)
        if self._late_extra:
            item.keep_own(self._late_extra)
        self._late, self._late_extra = [], None
        return item

    def _is_text_last(self) -> bool:
        return bool(self._items) and isinstance(self._items[-1], Message)

    # --- order ------------------------------------------------------------------------------------

    def _last(self, shape: type[_Shape]) -> _Shape:
        """The last item where it is a `shape`, else a new one."""
        last = self._items[-1] if self._items else None
        if isinstance(last, shape):
            return last
        item = shape(self._id(shape), len(self._items))
        self._append(item)
        return item

    def _id(self, shape: type[Item]) -> str:
        return f"{shape.prefix}_{digest(f'{self._answer_id} {len(self._items)}', 32)}"

    def _append(self, item: Item) -> None:
        self._items.append(item)
        if self._open is not None and self._open.settled():
            self._end(self._open, cut=False)
            self._open = None
        if self._open is None:
            self._open = item
            item.begin(self._writer)


_FIELDS: Final[Mapping[str, Callable[[Output, Any], None]]] = {
    "reasoning_content": Output._reasoning,
    "reasoning_details": Output._keep,
    "extra_content": Output._keep_own,
    "content": Output._text,
    "refusal": Output._refusal,
    "annotations": Output._annotations,
    "images": Output._images,
    "tool_calls": Output._tool_calls,
}
"""The fields of a delta in the order in which they are added."""


def _given(delta: Mapping[str, Any]) -> str:
    function, custom = delta.get("function") or {}, delta.get("custom") or {}
    return function.get("arguments") or custom.get("input") or ""


def _annotation(annotation: Any) -> dict[str, Any] | None:
    """A citation as this API has it: flat, with whole numbers."""
    facts = annotation.get("url_citation") if isinstance(annotation, Mapping) else None
    if not isinstance(facts, Mapping):
        return None
    places = {
        key: facts.get(key) if isinstance(facts.get(key), int) else 0
        for key in ("start_index", "end_index")
    }
    return {
        "type": "url_citation",
        **facts,
        **places,
        "title": facts.get("title") or "",
        "url": facts.get("url") or "",
    }


def _url(image: Any) -> str:
    inner = image.get("image_url") if isinstance(image, Mapping) else None
    url = inner.get("url") if isinstance(inner, Mapping) else inner
    return url if isinstance(url, str) else ""
