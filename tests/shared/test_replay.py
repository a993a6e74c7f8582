"""What clients drop is put back by tool-call id; what they did send wins; and memory is bounded."""

from __future__ import annotations

from typing import Any

from gateway.shared.replay import ENTRY_BYTES_MAX, Replay

DETAILS = [{"type": "reasoning.encrypted", "data": "abc"}]


def called(id_: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"toolcall_{id_}",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        **more,
    }


def said(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def restored(replay: Replay, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    return list(replay.restore("me", {"model": "dev", "messages": list(messages)})["messages"])


def test_reasoning_and_signature_come_back() -> None:
    replay = Replay()
    extra = {"google": {"thought_signature": "sig"}}
    call = called("a", extra_content=extra)
    replay.put("me", said(call, reasoning_details=DETAILS, reasoning_content="hm"), call)
    user = {"role": "user", "content": "Hi"}
    first, second = restored(replay, user, said(called("a")))
    assert first is user
    assert second["reasoning_details"] == DETAILS
    assert second["reasoning_content"] == "hm"
    assert second["tool_calls"][0]["extra_content"] == extra


def test_what_the_client_sent_wins() -> None:
    replay = Replay()
    replay.put("me", {"reasoning_content": "ours"}, called("a", extra_content={"x": 1}))
    [message] = restored(
        replay, said(called("a", extra_content={"x": 2}), reasoning_content="theirs")
    )
    assert message["reasoning_content"] == "theirs"
    assert message["tool_calls"][0]["extra_content"] == {"x": 2}


def test_each_of_several_calls_gets_its_own() -> None:
    replay = Replay()
    for id_ in ("a", "b"):
        replay.put("me", {}, called(id_, extra_content={"id": id_}))
    [message] = restored(replay, said(called("a"), called("b"), called("c")))
    assert [call.get("extra_content") for call in message["tool_calls"]] == [
        {"id": "a"},
        {"id": "b"},
        None,
    ]


def test_the_request_itself_is_not_changed() -> None:
    replay = Replay()
    replay.put("me", {"reasoning_content": "hm"}, called("a", extra_content={"x": 1}))
    message = said(called("a"))
    restored(replay, message)
    assert message == said(called("a"))


def test_without_entries_a_request_passes_as_it_is() -> None:
    chat = {"model": "dev", "messages": [said(called("a"))]}
    assert Replay().restore("me", chat) is chat


def test_nothing_to_keep_is_not_kept() -> None:
    replay = Replay()
    replay.put("me", {"reasoning_content": "", "reasoning_details": []}, called("a"))
    assert repr(replay) == "<Replay entries=0 bytes=0>"


def test_an_id_that_is_used_again_removes_its_old_entry() -> None:
    """Some servers count their calls from 0 in every conversation."""
    replay = Replay()
    replay.put("me", {"reasoning_content": "of another conversation"}, called("call_0"))
    replay.put("me", {}, called("call_0"))
    assert "reasoning_content" not in restored(replay, said(called("call_0")))[0]
    assert repr(replay) == "<Replay entries=0 bytes=0>"


def test_the_least_recently_used_go_first() -> None:
    replay = Replay(entries_max=2)
    for id_ in ("a", "b"):
        replay.put("me", {"reasoning_content": id_}, called(id_))
    restored(replay, said(called("a")))
    replay.put("me", {"reasoning_content": "c"}, called("c"))
    found = [
        restored(replay, said(called(id_)))[0].get("reasoning_content") for id_ in ("a", "b", "c")
    ]
    assert found == ["a", None, "c"]


def test_memory_is_bounded() -> None:
    replay = Replay(bytes_max=10_000)
    for number in range(100):
        replay.put("me", {"reasoning_content": "x" * 1_000}, called(str(number)))
    assert int(repr(replay).partition("bytes=")[2].rstrip(">")) <= 10_000
    assert "entries=9 " in repr(replay)
    replay.put("me", {"reasoning_content": "x" * ENTRY_BYTES_MAX}, called("huge"))
    assert "reasoning_content" not in restored(replay, said(called("huge")))[0]


def test_what_it_holds_is_not_shown() -> None:
    replay = Replay()
    replay.put("me", {"reasoning_content": "private"}, called("a"))
    assert "private" not in repr(replay)


SIGNED = {"google": {"thought_signature": "s"}}
IMAGE = {"type": "image_url", "index": 0, "image_url": {"url": "data:image/png;base64,AAAA"}}
MARKED = {**IMAGE, "extra_content": {"google": {"thought_signature": "i"}}}
ANSWER = {"role": "assistant", "content": "Hi", "extra_content": SIGNED, "images": [MARKED]}


def bare(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "Hi", "images": [IMAGE], **more}


def test_signatures_of_a_text_and_of_an_image_come_back() -> None:
    replay = Replay()
    replay.put_message("me", ANSWER)
    user = {"role": "user", "content": "Hi"}
    first, second, third = restored(replay, user, bare(), bare(content="Bye"))
    assert first is user
    assert second == ANSWER
    assert "extra_content" not in third
    assert third["images"] == [MARKED]


def test_signatures_are_for_their_own_client_and_never_over_what_it_sent() -> None:
    replay = Replay()
    replay.put_message("me", ANSWER)
    assert replay.restore("you", {"messages": [bare()]})["messages"] == [bare()]
    [message] = restored(
        replay,
        bare(extra_content={"x": 1}, images=[{**IMAGE, "extra_content": {"x": 2}}, "odd", {}]),
    )
    assert message["extra_content"] == {"x": 1}
    assert message["images"] == [{**IMAGE, "extra_content": {"x": 2}}, "odd", {}]


def test_signatures_are_forgotten_like_all_else() -> None:
    replay = Replay(entries_max=1)
    replay.put_message("me", ANSWER)
    replay.put("me", {}, called("a", extra_content={"x": 1}))
    assert restored(replay, bare()) == [bare()]
