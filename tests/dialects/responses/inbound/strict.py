"""What clients crash on or lose, written down from what they do and not from our encoder (the crash
matrix).

`check` reads the bytes of a stream and raises `AssertionError` with the rule that is broken.
"""

from __future__ import annotations

import json
from typing import Any

Event = dict[str, Any]

TERMINAL = ("response.completed", "response.incomplete", "response.failed")
GIVEN = {"function_call": "arguments", "custom_tool_call": "input"}
DELTAS = {
    "function_call": "response.function_call_arguments",
    "custom_tool_call": "response.custom_tool_call_input",
}
PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "custom_tool_call": "ctc_",
    "tool_search_call": "tsc_",
    "image_generation_call": "ig_",
    "compaction": "cmp_",
}
KNOWN = {
    "error",
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_text.annotation.added",
    "response.refusal.delta",
    "response.refusal.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    *(f"{name}.{end}" for name in DELTAS.values() for end in ("delta", "done")),
    *TERMINAL,
}


def parse(data: bytes) -> list[Event]:
    """The events of a stream, framed as `event:` and one line of `data:`; comments are left out."""
    events = []
    assert data == b"" or data.endswith(b"\n\n")
    for block in data.split(b"\n\n"):
        if not block or block.startswith(b":"):
            continue
        name, line = block.split(b"\n")
        event = json.loads(line.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        events.append(event)
    return events


def check(data: bytes, *, numbered: bool = True) -> list[Event]:
    """The events of a whole stream that keeps every rule."""
    events = parse(data)
    assert events[0]["type"] == "response.created", "accumulators need the response first"
    assert {event["type"] for event in events} <= KNOWN, "one accumulator refuses unknown events"
    if numbered:
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] in TERMINAL for event in events] == [False] * (len(events) - 1) + [True]
    ids = {event["response"]["id"] for event in events if "response" in event}
    assert len(ids) == 1
    for event in events:
        if "response" in event:
            _check_response(event["response"])
    output = _Items()
    for event in events:
        output.read(event)
    last = events[-1]["response"]
    done = [output.done[place] for place in sorted(output.done)]
    cut = [item for item in last["output"] if item not in done]
    assert [item for item in last["output"] if item in done] == done, (
        "the final output is what was streamed"
    )
    assert all(item["status"] == "incomplete" for item in cut), "what is not done is incomplete"
    assert len(cut) <= len(output.open)
    if last["status"] != "failed":
        assert len(last["output"]) == output.next
    else:
        assert events[-2]["type"] == "error"
        _check_error(events[-2], last)
    return events


def _check_error(event: Event, response: dict[str, Any]) -> None:
    for key in ("code", "message", "param"):
        assert event[key] == event["error"][key], "flat and nested say the same"
    assert event["error"]["type"]
    assert response["error"] == {"code": event["code"], "message": event["message"]}
    assert event["code"] != "server_is_overloaded", "final for one client, although it passes"


def _check_response(response: dict[str, Any]) -> None:
    for key in (
        "id",
        "object",
        "created_at",
        "model",
        "output",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
    ):
        assert response[key] is not None, key
    for key in (
        "error",
        "incomplete_details",
        "instructions",
        "metadata",
        "usage",
        "text",
        "reasoning",
        "store",
    ):
        assert key in response, key
    usage = response["usage"]
    if response["status"] in ("completed", "incomplete"):
        counts = [usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]]
        counts += [
            usage["input_tokens_details"][key] for key in ("cached_tokens", "cache_write_tokens")
        ]
        counts.append(usage["output_tokens_details"]["reasoning_tokens"])
        assert all(type(count) is int for count in counts), (
            "a number that is missing spoils the whole answer"
        )
    assert (response["status"] == "incomplete") == (response["incomplete_details"] is not None)


class _Items:
    """The items of a stream, followed event by event."""

    def __init__(self) -> None:
        self.next = 0
        self.open: dict[int, dict[str, Any]] = {}
        self.done: dict[int, dict[str, Any]] = {}
        self.ids: set[str] = set()
        self.texts: dict[int, str] = {}
        self.part: tuple[str, int] | None = None
        self.parts: list[dict[str, Any]] = []

    def read(self, event: Event) -> None:
        kind = event["type"]
        if kind == "response.output_item.added":
            self._added(event)
        elif kind == "response.output_item.done":
            self._done(event)
        elif "item_id" in event:
            item = self.open[event["output_index"]]
            assert event["item_id"] == item["id"], "one id per item everywhere"
            self._inner(event, item)

    def _added(self, event: Event) -> None:
        place, item = event["output_index"], event["item"]
        assert place == self.next, "one index per item, never again"
        assert not self.open, "one item is open at a time"
        assert item["id"].startswith(PREFIXES[item["type"]])
        assert item["id"] not in self.ids
        assert len(item["id"]) <= 64
        self.ids.add(item["id"])
        self.next += 1
        self.open[place], self.texts[place], self.part, self.parts = item, "", None, []

    def _done(self, event: Event) -> None:
        place, item = event["output_index"], event["item"]
        added = self.open.pop(place)
        assert (item["id"], item["type"]) == (added["id"], added["type"])
        assert self.part is None, "a part is still open"
        if item["type"] in GIVEN:
            assert item["status"] == "completed"
            assert item["call_id"]
            assert isinstance(item[GIVEN[item["type"]]], str)
            assert self.texts[place] == item[GIVEN[item["type"]]], "the deltas are what was done"
        elif item["type"] == "message":
            assert item["content"] == self.parts
            assert item["content"], "an empty message breaks clients"
            assert all(
                "annotations" in part for part in item["content"] if part["type"] == "output_text"
            )
        elif item["type"] == "reasoning":
            assert item["summary"] == self.parts
            assert item["encrypted_content"]
        elif item["type"] == "tool_search_call":
            assert isinstance(item["arguments"], dict)
            assert item["status"] == "completed"
        self.done[place] = item

    def _inner(self, event: Event, item: dict[str, Any]) -> None:
        kind, place = event["type"], event["output_index"]
        if item["type"] in GIVEN:
            if kind == DELTAS[item["type"]] + ".delta":
                self.texts[place] += event["delta"]
            else:
                assert kind == DELTAS[item["type"]] + ".done"
                assert event[GIVEN[item["type"]]] == self.texts[place]
            return
        index = event.get("content_index", event.get("summary_index"))
        if kind.endswith("part.added"):
            assert self.part is None
            assert index == len(self.parts), "parts are counted from 0"
            self.part, self.texts[place] = (event["part"]["type"], index), ""
            return
        assert self.part is not None, "a delta needs its part"
        assert index == self.part[1]
        if kind.endswith("part.done"):
            assert event["part"]["type"] == self.part[0]
            self.parts.append(event["part"])
            self.part = None
        elif kind.endswith(".delta"):
            self.texts[place] += event["delta"]
        elif kind.endswith(".done"):
            said = event["refusal"] if self.part[0] == "refusal" else event["text"]
            assert said == self.texts[place]
