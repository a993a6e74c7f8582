"""Other processes are asked for what this one lacks, the nearest first."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.shared.entries import Key
from gateway.shared.shared_replay import SharedReplay
from gateway.types import Chat

pytestmark = pytest.mark.anyio

CALLS = [{"id": f"toolcall_{name}", "type": "function"} for name in "abc"]
CHAT: Chat = {"model": "dev", "messages": [{"role": "assistant", "tool_calls": CALLS}]}
KEYS = [("me", "call", call["id"]) for call in CALLS]


class FakeOther:
    def __init__(self, *known: Key) -> None:
        self._known = known
        self.asked: list[list[Key]] = []
        self.kept: list[tuple[Key, Any]] = []

    def keep(self, key: Key, entry: Any, size: int) -> None:
        self.kept.append((key, entry))

    def keep_nothing(self, key: Key) -> None:
        self.kept.append((key, None))

    async def recall(self, keys: list[Key]) -> list[tuple[Key, Any]]:
        self.asked.append(keys)
        return [(key, {"reasoning_content": key[2]}) for key in keys if key in self._known]


async def test_the_second_is_asked_for_what_the_first_lacks() -> None:
    near, far = FakeOther(KEYS[1]), FakeOther(KEYS[0], KEYS[2])
    shared = SharedReplay(near, None, far)
    assert shared.fetch is not None
    await shared.fetch("me", CHAT)
    assert (near.asked, far.asked) == ([KEYS], [[KEYS[0], KEYS[2]]])
    [message] = shared.replay.restore("me", CHAT)["messages"]
    assert message["reasoning_content"] == "toolcall_a"
    await shared.fetch("me", CHAT)
    assert len(near.asked) == len(far.asked) == 1, "all of it is here now"


async def test_what_is_kept_is_sent_to_all_and_so_is_that_there_is_nothing() -> None:
    others = FakeOther(), FakeOther()
    replay = SharedReplay(*others).replay
    replay.put("me", {"reasoning_content": "hm"}, CALLS[0])
    replay.put("me", {}, CALLS[1])
    expected = [(KEYS[0], {"reasoning_content": "hm"}), (KEYS[1], None)]
    assert [each.kept for each in others] == [expected, expected]


def test_without_others_nothing_is_asked() -> None:
    assert SharedReplay(None, None).fetch is None
