"""The output items of an answer: each writes its own events, from `output_item.added` to
`output_item.done`.

An item takes operations: functions of the writer. One that is not open yet keeps them until it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from gateway.dialects.responses.inbound.notes import ToolName
from gateway.dialects.responses.inbound.reasoning import sealed
from gateway.dialects.responses.inbound.writer import Writer
from gateway.hub import exact_json
from gateway.hub.tools import custom_input

Part = dict[str, Any]
Operation = Callable[[Writer], None]


class Item:
    """One output item. `result` is the finished item, once it has ended."""

    prefix = "item"

    def __init__(self, id_: str, index: int) -> None:
        self.id = id_
        self.index = index
        self.result: dict[str, Any] | None = None
        self._open = False
        self._waiting: list[Operation] = []

    def do(self, operation: Operation, writer: Writer) -> None:
        """Runs `operation` now, or when the item opens."""
        if self._open:
            operation(writer)
        else:
            self._waiting.append(operation)

    def begin(self, writer: Writer) -> None:
        self._open = True
        writer.event("response.output_item.added", output_index=self.index, item=self._added())
        for operation in self._waiting:
            operation(writer)
        self._waiting = []

    def end(self, writer: Writer, status: str = "completed") -> None:
        """The item has all that belongs to it."""
        self.result = self._ended(writer, status)
        writer.event("response.output_item.done", output_index=self.index, item=self.result)

    def settled(self) -> bool:
        """Whether nothing more can belong to the item once another one begins."""
        return True

    def _event(self, writer: Writer, kind: str, **fields: Any) -> None:
        writer.event(kind, item_id=self.id, output_index=self.index, **fields)

    def _added(self) -> dict[str, Any]:
        raise NotImplementedError

    def _ended(self, writer: Writer, status: str) -> dict[str, Any]:
        raise NotImplementedError


class Message(Item):
    """Text, and a refusal as a part of its own."""

    prefix = "msg"

    def __init__(self, id_: str, index: int) -> None:
        super().__init__(id_, index)
        self._parts: list[Part] = []
        self._kind = ""
        """The type of the open part, "" for none."""
        self._pieces: list[str] = []
        self._logprobs: list[Any] = []
        self._annotations: list[Part] = []

    def text(self, text: str, logprobs: list[Any], writer: Writer) -> None:
        self._enter("output_text", writer)
        self._pieces.append(text)
        self._logprobs += logprobs
        place = len(self._parts)
        self._event(
            writer, "response.output_text.delta", content_index=place, delta=text, logprobs=logprobs
        )

    def refusal(self, text: str, writer: Writer) -> None:
        self._enter("refusal", writer)
        self._pieces.append(text)
        self._event(writer, "response.refusal.delta", content_index=len(self._parts), delta=text)

    def annotate(self, annotation: Part, writer: Writer) -> None:
        """A citation of the open text; one without a text is left out."""
        if self._kind != "output_text":
            return
        place, number = len(self._parts), len(self._annotations)
        self._annotations.append(annotation)
        self._event(
            writer,
            "response.output_text.annotation.added",
            content_index=place,
            annotation_index=number,
            annotation=annotation,
        )

    def _enter(self, kind: str, writer: Writer) -> None:
        if self._kind == kind:
            return
        self._close_part(writer)
        self._kind = kind
        place = len(self._parts)
        self._event(
            writer, "response.content_part.added", content_index=place, part=_empty_part(kind)
        )

    def _close_part(self, writer: Writer) -> None:
        """Closes the open part."""
        if not self._kind:
            return
        place, text = len(self._parts), "".join(self._pieces)
        if self._kind == "output_text":
            part = {**_empty_part("output_text"), "text": text}
            part |= {"annotations": self._annotations, "logprobs": self._logprobs}
            done = {"text": text, "logprobs": self._logprobs}
            self._event(writer, "response.output_text.done", content_index=place, **done)
        else:
            part = {"type": "refusal", "refusal": text}
            self._event(writer, "response.refusal.done", content_index=place, refusal=text)
        self._event(writer, "response.content_part.done", content_index=place, part=part)
        self._parts.append(part)
        self._kind, self._pieces, self._logprobs, self._annotations = "", [], [], []

    def _added(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }

    def _ended(self, writer: Writer, status: str) -> dict[str, Any]:
        self._close_part(writer)
        return {**self._added(), "status": status, "content": self._parts}


def _empty_part(kind: str) -> Part:
    if kind == "refusal":
        return {"type": "refusal", "refusal": ""}
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


class Reasoning(Item):
    """Visible thinking as a summary, and sealed what the provider needs back."""

    prefix = "rs"

    def __init__(self, id_: str, index: int) -> None:
        super().__init__(id_, index)
        self._pieces: list[str] = []
        self._details: list[Any] = []
        self._extras: dict[str, Any] = {}
        self._extra: Any = None

    def text(self, text: str, writer: Writer) -> None:
        if not self._pieces:
            part = {"type": "summary_text", "text": ""}
            self._event(writer, "response.reasoning_summary_part.added", summary_index=0, part=part)
        self._pieces.append(text)
        self._event(writer, "response.reasoning_summary_text.delta", summary_index=0, delta=text)

    def keep(self, details: list[Any]) -> None:
        self._details += details

    def keep_own(self, extra: Any) -> None:
        """Keeps the content that belongs to the message, and must come back with it."""
        self._extra = extra

    def keep_for(self, call_id: str, extra: Any) -> None:
        """Keeps the content that belongs to a tool call, and must come back with it."""
        self._extras[call_id] = extra

    def _added(self) -> dict[str, Any]:
        return {"id": self.id, "type": "reasoning", "summary": []}

    def _ended(self, writer: Writer, status: str) -> dict[str, Any]:
        summary = []
        if self._pieces:
            part = {"type": "summary_text", "text": "".join(self._pieces)}
            summary.append(part)
            self._event(
                writer, "response.reasoning_summary_text.done", summary_index=0, text=part["text"]
            )
            self._event(writer, "response.reasoning_summary_part.done", summary_index=0, part=part)
        return {
            **self._added(),
            "summary": summary,
            "encrypted_content": sealed(self._details, self._extras, self._extra),
        }


class Image(Item):
    """A picture that the model made."""

    prefix = "ig"

    def __init__(self, id_: str, index: int, data: str) -> None:
        super().__init__(id_, index)
        self._data = data

    def _added(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "image_generation_call",
            "status": "in_progress",
            "result": None,
        }

    def _ended(self, writer: Writer, status: str) -> dict[str, Any]:
        return {**self._added(), "status": status, "result": self._data}


class ToolCall(Item):
    """A tool call in the form in which its tool was declared. The subclasses differ in what the
    tool is given.

    `kind` is the hub's type of the call: a function has JSON arguments, a custom tool has text.
    """

    prefix = "fc"
    KIND = "function"
    """The type of the hub's call that can be handed on piece by piece."""

    def __init__(self, id_: str, index: int, call_id: str, tool: ToolName, kind: str) -> None:
        super().__init__(id_, index)
        self._call_id = call_id
        self._tool = tool
        self._kind = kind
        self._pieces: list[str] = []
        self._whole: bool | None = None

    def more(self, text: str, writer: Writer) -> None:
        """More of the arguments or the input."""
        self._pieces.append(text)
        if self._kind == self.KIND:
            self._delta(text, writer)

    def settled(self) -> bool:
        """Looks once, so that a provider that interleaves its calls costs no more: JSON that is
        whole stays so."""
        if self._whole is None:
            self._whole = self._kind == "function" and _is_json("".join(self._pieces))
        return self._whole

    def is_cut(self, *, last: bool) -> bool:
        """Whether the call may be half of one when the answer was cut: text has no end that
        shows."""
        return last if self._kind == "custom" else not _is_json(self._text())

    def end_cut(self) -> None:
        """Ends a call that was cut: no event says that it is done, so that no client runs half of
        it."""
        self.result = {**self._added(), **self._given(), "status": "incomplete"}

    def _ended(self, writer: Writer, status: str) -> dict[str, Any]:
        given = self._given()
        text = next(iter(given.values()))
        if text and text != "".join(self._pieces if self._kind == self.KIND else ()):
            self._delta(text, writer)
        self._done(given, writer)
        return {**self._added(), **given, "status": status}

    def _added(self) -> dict[str, Any]:
        return {"id": self.id, **self._empty(), **self._named(), "status": "in_progress"}

    def _named(self) -> dict[str, Any]:
        named = {"call_id": self._call_id, "name": self._tool.name}
        return {**named, "namespace": self._tool.namespace} if self._tool.namespace else named

    def _text(self) -> str:
        return "".join(self._pieces)

    def _empty(self) -> dict[str, Any]:
        return {"type": "function_call", "arguments": ""}

    def _given(self) -> dict[str, Any]:
        return {"arguments": _arguments(self._text(), self._kind)}

    def _delta(self, text: str, writer: Writer) -> None:
        self._event(writer, "response.function_call_arguments.delta", delta=text)

    def _done(self, given: dict[str, Any], writer: Writer) -> None:
        self._event(writer, "response.function_call_arguments.done", name=self._tool.name, **given)


class CustomCall(ToolCall):
    """A call of a tool whose input is text."""

    prefix = "ctc"
    KIND = "custom"

    def _empty(self) -> dict[str, Any]:
        return {"type": "custom_tool_call", "input": ""}

    def _given(self) -> dict[str, Any]:
        text = self._text()
        return {"input": custom_input(text) if self._kind == "function" else text}

    def _delta(self, text: str, writer: Writer) -> None:
        self._event(writer, "response.custom_tool_call_input.delta", delta=text)

    def _done(self, given: dict[str, Any], writer: Writer) -> None:
        self._event(writer, "response.custom_tool_call_input.done", **given)


class SearchCall(ToolCall):
    """A search for tools that the client runs; its arguments are an object, which comes whole."""

    prefix = "tsc"
    KIND = ""

    def _empty(self) -> dict[str, Any]:
        return {"type": "tool_search_call", "execution": "client", "arguments": {}}

    def _named(self) -> dict[str, Any]:
        return {"call_id": self._call_id}

    def _given(self) -> dict[str, Any]:
        return {"arguments": _object(self._text())}

    def _delta(self, text: str, writer: Writer) -> None:
        return

    def _done(self, given: dict[str, Any], writer: Writer) -> None:
        return


CALLS: Final[dict[str, type[ToolCall]]] = {
    "function": ToolCall,
    "custom": CustomCall,
    "tool_search": SearchCall,
}
"""The kind of a tool → the item that calls it."""


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _arguments(text: str, kind: str) -> str:
    """A function's arguments: JSON text also where a model called it with plain text."""
    if kind == "function" or _is_json(text):
        return text or "{}"
    return exact_json.dumps({"input": text}).decode()


def _object(text: str) -> dict[str, Any]:
    try:
        value = exact_json.loads(text)
    except ValueError:
        return {"query": text} if text else {}
    return value if isinstance(value, dict) else {"query": text}
