"""Collects from a passing answer what the record and the replay keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.hub.counts import COSTS, stated_cost
from gateway.shared.replay import Replay
from gateway.types import Attempt, Chat, Chunk, Usage


class Record:
    """Notes usage, finish reason and tool calls of one answer; costs next to nothing for plain
    text."""

    def __init__(self, attempt: Attempt, replay: Replay, owner: str) -> None:
        self._attempt = attempt
        self._replay = replay
        self._owner = owner
        self._message: dict[str, Any] = {}
        self._reasoning: list[str] = []
        self._text: list[str] = []
        self._calls: list[dict[str, Any]] = []

    def see(self, chunks: Iterable[Chunk]) -> None:
        """Chunks of a stream, before they are encoded."""
        for chunk in chunks:
            choices = chunk["choices"]
            if not choices:
                self._attempt.usage = usage_of(chunk["usage"])
                continue
            choice = choices[0]
            if choice["finish_reason"] is not None:
                self._attempt.finish_reason = choice["finish_reason"]
            elif "content" in choice["delta"]:
                self._text.append(choice["delta"]["content"])
            else:
                self._note(choice["delta"])

    def done(self) -> None:
        """The stream is whole: its tool calls are kept."""
        if self._calls and self._reasoning:
            self._message["reasoning_content"] = "".join(self._reasoning)
        if self._calls:
            self._replay.put_all(self._owner, self._message, self._calls)
        if "extra_content" in self._message or "images" in self._message:
            self._message["content"] = "".join(self._text)
            self._replay.put_message(self._owner, self._message)

    def see_whole(self, chat: Chat) -> None:
        """An answer that is not streamed."""
        if "usage" in chat:
            self._attempt.usage = usage_of(chat["usage"])
        for choice in chat.get("choices", ()):
            self._attempt.finish_reason = choice["finish_reason"]
            message = choice["message"]
            if "tool_calls" in message:
                self._replay.put_all(self._owner, message, message["tool_calls"])
            if "extra_content" in message or "images" in message:
                self._replay.put_message(self._owner, message)

    def _note(self, fields: Mapping[str, Any]) -> None:
        if "reasoning_content" in fields:
            self._reasoning.append(fields["reasoning_content"])
        for key in ("reasoning_details", "images"):
            if fields.get(key):
                self._message.setdefault(key, []).extend(fields[key])
        if "extra_content" in fields:
            self._message["extra_content"] = fields["extra_content"]
        self._calls += [call for call in fields.get("tool_calls", ()) if "id" in call]


def usage_of(counts: Mapping[str, Any]) -> Usage:
    """The hub's usage object as a `Usage`."""
    prompt = counts.get("prompt_tokens_details") or {}
    completion = counts.get("completion_tokens_details") or {}
    return Usage(
        input=counts.get("prompt_tokens", 0),
        output=counts.get("completion_tokens", 0),
        cache_read=prompt.get("cached_tokens", 0),
        cache_write=prompt.get("cache_write_tokens", 0),
        reasoning=completion.get("reasoning_tokens", 0),
        cache_write_1h=prompt.get("cache_write_1h_tokens", 0),
        cost=None if COSTS.isdisjoint(counts) else stated_cost(counts),
    )
