"""How a client of each API asks, and what it reads in the answer: its text, its calls, and which
end it had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from gateway import sse


@dataclass(slots=True)
class Said:
    """The parts of one answer that a client has read."""

    text: str = ""
    finish: str | None = None
    """`stop`, `length`, `tool_calls` or `content_filter`, whatever the API calls it."""
    error: dict[str, Any] | None = None
    done: bool = False
    """The API's own last event of a whole answer has come."""
    events_after_end: bool = False
    calls: list[list[str]] = field(default_factory=list)
    """[name of a tool, arguments], as they grow."""


class Api(NamedTuple):
    """One API that clients speak."""

    name: str
    path: str
    body: Callable[[str, Sequence[str]], dict[str, Any]]
    """(text, names of tools) → the request without `model` and `stream`."""
    read_whole: Callable[[Mapping[str, Any]], Said]
    read_event: Callable[[bytes, Said], None]
    """Adds the data of one event to what has been said."""
    content: bytes
    """Is in every event that has text."""
    ends_behind_error: tuple[str, ...] = ()
    """Types of events that may follow an error: some clients read only these."""

    def ask(self, agent: str, *, stream: bool, tools: Sequence[str] = ()) -> dict[str, Any]:
        """A request's body."""
        text = f"Use {', '.join(tools)}" if tools else "Hello"
        return {"model": agent, "stream": stream, **self.body(text, tools)}

    def of_stream(self, content: bytes) -> Said:
        """The answer that a client reads in a whole body of events."""
        said = Said()
        for event in sse.Decoder().decode(content):
            if self._is_late(event, said):
                said.events_after_end = True
            if event.data:
                self.read_event(event.data, said)
        return said

    def of_body(self, body: Mapping[str, Any]) -> Said:
        """The answer that a client reads where it is not streamed."""
        error = body.get("error")
        return Said(error=error) if error else self.read_whole(body)

    def _is_late(self, event: sse.Event, said: Said) -> bool:
        if said.error is not None and event.name.decode() in self.ends_behind_error:
            return False
        return said.done or said.error is not None


def _parameters() -> dict[str, Any]:
    return {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def _with_tools(body: dict[str, Any], tools: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found = list(tools)
    return {**body, "tools": found} if found else body


# --- chat completions -----------------------------------------------------------------------------


def _chat_body(text: str, tools: Sequence[str]) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": text}]}
    functions = ({"name": name, "parameters": _parameters()} for name in tools)
    return _with_tools(body, ({"type": "function", "function": function} for function in functions))


def _chat_whole(body: Mapping[str, Any]) -> Said:
    choice = body["choices"][0]
    message = choice["message"]
    said = Said(message["content"] or "", choice["finish_reason"])
    for call in message.get("tool_calls") or ():
        said.calls.append([call["function"]["name"], call["function"]["arguments"]])
    return said


def _chat_event(data: bytes, said: Said) -> None:
    if data == b"[DONE]":
        said.done = True
        return
    body = orjson.loads(data)
    said.error = body.get("error") or said.error
    for choice in body.get("choices", ()):
        said.text += choice["delta"].get("content") or ""
        _add_chat_calls(said, choice["delta"].get("tool_calls") or ())
        said.finish = choice["finish_reason"] or said.finish


def _add_chat_calls(said: Said, deltas: Iterable[Mapping[str, Any]]) -> None:
    for each in deltas:
        function = each["function"]
        if "id" in each:
            said.calls.append([function["name"], function["arguments"]])
        else:
            said.calls[each["index"]][1] += function["arguments"]


# --- Responses ------------------------------------------------------------------------------------

_INCOMPLETE: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}


def _responses_body(text: str, tools: Sequence[str]) -> dict[str, Any]:
    functions = ({"type": "function", "name": name, "parameters": _parameters()} for name in tools)
    return _with_tools({"input": [{"role": "user", "content": text}]}, functions)


def _responses_whole(body: Mapping[str, Any]) -> Said:
    said = Said()
    for item in body["output"]:
        said.text += "".join(part.get("text", "") for part in item.get("content") or ())
        if item["type"] == "function_call":
            said.calls.append([item["name"], item["arguments"]])
    if body["status"] == "completed":
        said.finish = "tool_calls" if said.calls else "stop"
    elif body["status"] == "incomplete":
        said.finish = _INCOMPLETE[body["incomplete_details"]["reason"]]
    return said


def _responses_event(data: bytes, said: Said) -> None:
    body = orjson.loads(data)
    kind = body["type"]
    if kind == "response.output_text.delta":
        said.text += body["delta"]
    elif kind == "error":
        said.error = body.get("error") or body
    elif kind == "response.failed":
        said.error = said.error or body["response"]["error"]
    elif kind in ("response.completed", "response.incomplete"):
        whole = _responses_whole(body["response"])
        said.finish, said.calls, said.done = whole.finish, whole.calls, True


# --- Messages -------------------------------------------------------------------------------------

_STOPS: Final = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_ROOM: Final = 4096


def _messages_body(text: str, tools: Sequence[str]) -> dict[str, Any]:
    body = {"max_tokens": _ROOM, "messages": [{"role": "user", "content": text}]}
    return _with_tools(body, ({"name": name, "input_schema": _parameters()} for name in tools))


def _messages_whole(body: Mapping[str, Any]) -> Said:
    said = Said(finish=_STOPS[body["stop_reason"]])
    for block in body["content"]:
        said.text += block.get("text", "")
        if block["type"] == "tool_use":
            said.calls.append([block["name"], orjson.dumps(block["input"]).decode()])
    return said


def _messages_event(data: bytes, said: Said) -> None:
    body = orjson.loads(data)
    kind = body["type"]
    if kind == "content_block_start" and body["content_block"]["type"] == "tool_use":
        said.calls.append([body["content_block"]["name"], ""])
    elif kind == "content_block_delta":
        said.text += body["delta"].get("text", "")
        if "partial_json" in body["delta"]:
            said.calls[-1][1] += body["delta"]["partial_json"]
    elif kind == "message_delta":
        said.finish = _STOPS[body["delta"]["stop_reason"]]
    elif kind == "error":
        said.error = body["error"]
    elif kind == "message_stop":
        said.done = True


APIS: Final[Mapping[str, Api]] = {
    "chat": Api(
        "chat",
        "/v1/chat/completions",
        _chat_body,
        _chat_whole,
        _chat_event,
        b'"delta":{"content":"',
    ),
    "responses": Api(
        "responses",
        "/v1/responses",
        _responses_body,
        _responses_whole,
        _responses_event,
        b"response.output_text.delta",
        ends_behind_error=("response.failed",),
    ),
    "messages": Api(
        "messages",
        "/v1/messages",
        _messages_body,
        _messages_whole,
        _messages_event,
        b'"text_delta"',
    ),
}
"""By the name that `gateway drill --api` takes."""
