"""Each fault, as the bytes it is: what makes it a fault is really in them, and all else is a good
answer."""

from __future__ import annotations

import itertools
from types import ModuleType

import orjson
import pytest

from gateway.lab import FAULTS, anthropic, chat, embeddings, google, google_embeddings, responses
from gateway.lab.answers import WORDS, Asked, answer
from gateway.lab.faults import CUT_AT
from gateway.lab.play import HUGE_BYTES, Act, Played, play, refuse, without_usage
from tests.dialects.responses.inbound.strict import check

APIS = (anthropic, chat, google, responses)
STREAM, WHOLE = Asked("m", "Hello", stream=True), Asked("m", "Hello")
OK_STATUS = {
    "ok",
    "empty",
    "empty_body",
    "not_json",
    "cut",
    "clean_cut",
    "stall",
    "bad_chunk",
    "silent",
    "reset",
}

VECTORS = Asked("m", "b", inputs=("a", "b"), dimensions=4)

each_api = pytest.mark.parametrize("api", APIS, ids=lambda api: api.__name__.rpartition(".")[2])


def data(played: Played) -> bytes:
    return b"".join(step for step in played.steps if isinstance(step, bytes))


def words(played: Played) -> int:
    """How many of the answer's words are in it, in their order."""
    text, found = data(played).decode(errors="replace"), 0
    for word in WORDS:
        place = text.find(orjson.dumps(word).decode()[1:-1])
        if place < 0:
            break
        text, found = text[place + len(word) :], found + 1
    return found


@each_api
@pytest.mark.parametrize("asked", [STREAM, WHOLE], ids=["stream", "whole"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_be_played_by_every_api(api: ModuleType, asked: Asked, fault: str) -> None:
    played = play(fault, api, asked, "1")
    assert 200 <= played.status < 600
    if played.length is not None and Act.RESET not in played.steps and Act.HANG not in played.steps:
        assert played.length == len(data(played))
    if FAULTS[fault].error and fault not in (
        "overloaded",
        "error_mid_stream",
        "error_first_event",
        "error_after_role",
    ):
        assert played.status >= 400
    if fault in OK_STATUS:
        assert played.status == 200


@each_api
@pytest.mark.parametrize("asked", [STREAM, WHOLE], ids=["stream", "whole"])
def test_the_same_question_has_the_same_answer(api: ModuleType, asked: Asked) -> None:
    first, second = (play("ok", api, asked, "1") for _ in range(2))
    assert first == second
    assert words(first) == len(WORDS)


@each_api
@pytest.mark.parametrize("fault", ["cut", "clean_cut", "stall", "error_mid_stream"])
def test_a_stream_breaks_where_the_fault_says(api: ModuleType, fault: str) -> None:
    played = play(fault, api, STREAM, "1")
    assert words(played) == CUT_AT
    assert (played.steps[-1] is Act.RESET) == (fault == "cut")
    assert (played.steps[-1] is Act.HANG) == (fault == "stall")


@each_api
@pytest.mark.parametrize(
    "fault", ["error_after_finish", "text_after_finish", "unasked_choice", "done_then_open"]
)
def test_what_comes_behind_or_beside_an_answer_leaves_it_whole(api: ModuleType, fault: str) -> None:
    played, good = play(fault, api, STREAM, "1"), play("ok", api, STREAM, "1")
    assert words(played) == len(WORDS)
    cannot = {"text_after_finish": (responses,), "unasked_choice": (anthropic, responses)}
    assert (played.steps == good.steps) == (api in cannot.get(fault, ()))
    assert (played.steps[-1] is Act.HANG) == (fault == "done_then_open")
    assert (b"verloaded" in data(played).rpartition(b"data: ")[2]) == (
        fault == "error_after_finish"
    )


@each_api
def test_a_character_is_cut_in_two(api: ModuleType) -> None:
    sent = data(play("half_emoji", api, STREAM, "1"))
    first, second = (sent.index(half) for half in (b'\\ud83d"', b'"\\ude48'))
    assert b"data: " in sent[first:second]


@each_api
def test_a_flood_has_no_content_and_does_not_end(api: ModuleType) -> None:
    for asked in (STREAM, WHOLE):
        played = play("comment_flood", api, asked, "1")
        assert (played.steps, played.length) == ([Act.FLOOD], None)


def test_a_name_comes_late_in_three_forms() -> None:
    tools = {
        name: {"type": "object", "properties": {"city": {"type": "string"}}}
        for name in ("a_1", "b_2", "c_3")
    }
    steps = play("late_name", chat, Asked("m", "a_1 b_2 c_3", stream=True, tools=tools), "1").steps
    pieces = [step for step in steps if isinstance(step, bytes) and b"tool_calls" in step]
    deltas = [orjson.loads(piece[6:])["choices"][0]["delta"] for piece in pieces]
    functions = [delta["tool_calls"][0]["function"] for delta in deltas if "tool_calls" in delta]
    empty, half, rest = {"arguments": ""}, {"arguments": '{"city"'}, {"arguments": ':"Oslo"}'}
    assert functions == [
        {"name": "", **empty}, {"name": "a_1"}, half, rest,
        empty, {"name": "b_2"}, half, rest,
        {"name": "", **empty}, half, {"name": "c_3"}, rest,
    ]  # fmt: skip


@each_api
def test_a_broken_event_is_not_json(api: ModuleType) -> None:
    broken = []
    for step in play("bad_chunk", api, STREAM, "1").steps:
        assert isinstance(step, bytes)
        text = step.decode().partition("data: ")[2].strip()
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            broken.append(text)
    assert [text for text in broken if text != "[DONE]"] == [
        text for text in broken if text.startswith("{")
    ]
    assert len([text for text in broken if text != "[DONE]"]) == 1


@each_api
@pytest.mark.parametrize(
    "fault", ["comments", "crlf", "split_utf8", "huge_event", "pings", "two_finishes", "usage_late"]
)
def test_an_odd_but_valid_answer_is_complete(api: ModuleType, fault: str) -> None:
    assert words(play(fault, api, STREAM, "1")) == len(WORDS)


@each_api
def test_oddities_are_odd(api: ModuleType) -> None:
    good = data(play("ok", api, STREAM, "1"))
    assert data(play("crlf", api, STREAM, "1")) == good.replace(b"\n", b"\r\n")
    assert data(play("split_utf8", api, STREAM, "1")) == good
    assert (
        max(
            len(step)
            for step in play("split_utf8", api, STREAM, "1").steps
            if isinstance(step, bytes)
        )
        == 1
    )
    assert (
        max(
            len(step)
            for step in play("huge_event", api, STREAM, "1").steps
            if isinstance(step, bytes)
        )
        > HUGE_BYTES
    )
    assert b"\n: keep-alive\n" in data(play("comments", api, STREAM, "1"))
    assert len(data(play("two_finishes", api, STREAM, "1"))) > len(good)


@each_api
@pytest.mark.parametrize("asked", [STREAM, WHOLE], ids=["stream", "whole"])
def test_missing_usage_is_missing(api: ModuleType, asked: Asked) -> None:
    assert b"usage" in data(play("ok", api, asked, "1"))
    assert b"usage" not in data(play("usage_missing", api, asked, "1"))


@each_api
def test_a_tool_call_ends_inside_its_arguments(api: ModuleType) -> None:
    sent = data(play("cut_tool_call", api, STREAM, "1"))
    assert b"look_up" in sent
    assert b"[DONE]" not in sent
    assert b"Oslo" not in sent or api is google  # a call is one event there


@each_api
def test_what_happens_before_the_first_byte(api: ModuleType) -> None:
    assert play("reset", api, STREAM, "1").before_headers is Act.RESET
    assert play("silent", api, STREAM, "1").before_headers is Act.HANG
    assert play("slow_first_token", api, STREAM, "1").steps[0] is Act.PAUSE
    assert play("slow_first_token", api, WHOLE, "1").before_headers is Act.PAUSE


@each_api
def test_a_bad_request_is_the_clients_fault(api: ModuleType) -> None:
    assert refuse(api).status == 400


def test_an_unknown_fault() -> None:
    with pytest.raises(KeyError):
        play("no_such_fault", chat, STREAM, "1")


# --- what is said ---------------------------------------------------------------------------------

TOOLS = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["C", "F"]},
        },
        "required": ["city", "unit"],
    }
}


def test_it_says_what_the_client_asks_for() -> None:
    assert answer(Asked("m", "please say:  something else ")).text == "something else"


@pytest.mark.parametrize(
    ("asked", "calls"),
    [
        (Asked("m", "Hello", tools=TOOLS), 0),
        (Asked("m", "get_weather now", tools=TOOLS), 1),
        (Asked("m", "Use the tool", tools=TOOLS), 1),
        (Asked("m", "Hello", tools=TOOLS, forced=True), 1),
        (Asked("m", "get_weather", tools=TOOLS, answered=True), 0),
        (Asked("m", "get_weather"), 0),
    ],
)
def test_a_tool_is_called_when_it_is_named_or_forced(asked: Asked, calls: int) -> None:
    said = answer(asked)
    assert len(said.calls) == calls
    if calls:
        assert said.finish == "tool_calls"
        assert orjson.loads(said.calls[0][1]) == {"city": "Oslo", "unit": "C"}


def test_a_limit_is_kept() -> None:
    said = answer(Asked("m", "Hello", limit=5))
    assert (len(said.pieces), said.finish, said.output_tokens) == (5, "length", 5)


def test_json_is_json_and_thoughts_come_first() -> None:
    assert orjson.loads(answer(Asked("m", "Hello", schema={})).text)
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    }
    assert orjson.loads(answer(Asked("m", "Hello", schema=schema)).text) == {
        "name": "Oslo",
        "age": 7,
    }
    assert answer(Asked("m", "Hello", thinks=True)).reasoning


def test_usage_is_taken_out_at_every_depth_of_an_object() -> None:
    assert without_usage({"a": {"usage": 1, "b": [1]}, "usageMetadata": 2}) == {"a": {"b": [1]}}


def test_faults_have_one_line_each_and_no_two_the_same() -> None:
    summaries = [fault.summary for fault in FAULTS.values()]
    assert all("\n" not in summary and summary for summary in summaries)
    assert not [pair for pair in itertools.combinations(summaries, 2) if pair[0] == pair[1]]


@pytest.mark.parametrize("api", [embeddings, google_embeddings], ids=["embeddings", "google"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_be_played_for_embeddings_too(api: ModuleType, fault: str) -> None:
    played = play(fault, api, VECTORS, "1")
    if fault in OK_STATUS:
        assert played.status == 200
    if FAULTS[fault].needs_stream or fault in ("ok", "usage_missing"):
        body = orjson.loads(data(played))
        found = body.get("data") or body.get("embeddings")
        assert len(found) == 2
        assert {len(entry.get("embedding") or entry["values"]) for entry in found} == {4}


THOUGHTFUL = Asked("m", "Hello", stream=True, thinks=True)
CALLING = Asked(
    "m", "look_up", stream=True, thinks=True, tools={"look_up": {"properties": {"city": {}}}}
)
LIMITED = Asked("m", "Hello", stream=True, limit=3)


@pytest.mark.parametrize(
    "asked", [STREAM, THOUGHTFUL, CALLING, LIMITED], ids=["text", "thoughts", "call", "limit"]
)
def test_a_responses_stream_has_every_event_that_clients_need(asked: Asked) -> None:
    events = check(data(play("ok", responses, asked, "1")))
    inner = {event["type"] for event in events}
    assert {"response.created", "response.in_progress", "response.output_item.added"} <= inner
    assert events[-1]["response"] == responses.whole(answer(asked), "m", "1")


def test_the_thinking_of_a_messages_stream_is_signed_in_its_last_delta() -> None:
    events = [part.data for part in anthropic.events(answer(THOUGHTFUL), "m", "1")]
    deltas = [event["delta"] for event in events if event.get("index") == 0 and "delta" in event]
    assert deltas[-1] == {"type": "signature_delta", "signature": "bGFi"}
    assert anthropic.whole(answer(THOUGHTFUL), "m", "1")["content"][0]["signature"] == "bGFi"
