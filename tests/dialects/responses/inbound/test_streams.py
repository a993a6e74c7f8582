"""Streams against the crash matrix: every case chunk by chunk, whole, and in any batches."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.responses import inbound
from gateway.dialects.responses.inbound.reasoning import summary_in, unsealed
from gateway.hub.chunks import delta, finish
from gateway.hub.contracts import Answer, Batch, Refusal
from gateway.types import Chunk
from tests.dialects.responses.inbound.makers import (
    HELLO,
    Item,
    answer,
    custom_call,
    ending,
    function,
    request,
    stream,
    tool_call,
)
from tests.dialects.responses.inbound.strict import check, parse

TOOLS = [
    function("look"),
    {"type": "custom", "name": "exec"},
    {
        "type": "namespace",
        "name": "agents",
        "tools": [function("close"), {"type": "custom", "name": "send"}],
    },
    {"type": "tool_search", "execution": "client"},
]
DETAIL = {
    "type": "reasoning.text",
    "text": "Why",
    "signature": "s",
    "id": "anthropic:0",
    "index": 0,
}
EXTRA = {"google": {"thought_signature": "sig"}}
CITED = {
    "type": "url_citation",
    "index": 0,
    "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 2},
}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def message(*texts: str) -> Item:
    parts = [
        {"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts
    ]
    return {"type": "message", "role": "assistant", "status": "completed", "content": parts}


def reasoning(*texts: str) -> Item:
    return {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in texts],
    }


def called(id_: str, name: str = "look", arguments: str = "{}", **more: Any) -> Item:
    status = {"status": "completed"}
    return {
        "type": "function_call",
        "call_id": id_,
        "name": name,
        "arguments": arguments,
        **status,
        **more,
    }


def custom(id_: str, name: str, text: str, **more: Any) -> Item:
    return {
        "type": "custom_tool_call",
        "call_id": id_,
        "name": name,
        "input": text,
        "status": "completed",
        **more,
    }


def logged(text: str) -> Chunk:
    chunk = delta(content=text)
    chunk["choices"][0]["logprobs"] = {
        "content": [{"token": text, "logprob": -1.0, "top_logprobs": []}]
    }
    return chunk


CASES: list[tuple[str, list[Chunk], list[Item]]] = [
    (
        "text",
        [delta(content="He"), delta(content=""), delta(content="llo"), *ending()],
        [message("Hello")],
    ),
    ("nothing", ending(), []),
    (
        "empty text before a call",
        [delta(content=""), tool_call(0, "c1", "look", "{}"), *ending("tool_calls")],
        [called("c1")],
    ),
    (
        "thinking, text, tool, thinking, text",
        [
            delta(reasoning_content="W"),
            delta(reasoning_content="hy"),
            delta(reasoning_details=[DETAIL]),
            delta(content="So"),
            tool_call(0, "c1", "look"),
            tool_call(0, arguments="{}"),
            delta(reasoning_content="Again"),
            delta(content="Then"),
            *ending("tool_calls"),
        ],
        [reasoning("Why"), message("So"), called("c1"), reasoning("Again"), message("Then")],
    ),
    (
        "thinking that is hidden",
        [delta(reasoning_details=[DETAIL]), delta(content="So"), *ending()],
        [reasoning(), message("So")],
    ),
    (
        "details behind the text",
        [delta(content="S"), delta(reasoning_details=[DETAIL]), delta(content="o"), *ending()],
        [message("So"), reasoning()],
    ),
    (
        "a call with a signature of its own",
        [
            delta(content="So"),
            tool_call(0, "c1", "look", "{}", extra_content=EXTRA),
            *ending("tool_calls"),
        ],
        [message("So"), reasoning(), called("c1")],
    ),
    (
        "parallel calls one after the other",
        [
            tool_call(0, "c1", "look"),
            tool_call(0, arguments='{"a":'),
            tool_call(0, arguments="1}"),
            tool_call(1, "c2", "agents__close", "{}"),
            *ending("tool_calls"),
        ],
        [called("c1", arguments='{"a":1}'), called("c2", "close", namespace="agents")],
    ),
    (
        "parallel calls mixed",
        [
            tool_call(0, "c1", "look"),
            tool_call(1, "c2", "look"),
            tool_call(2, "c3", "look"),
            tool_call(1, arguments='{"b":'),
            tool_call(0, arguments='{"a":1'),
            delta(content="Meanwhile"),
            tool_call(2, arguments="{}"),
            tool_call(1, arguments="2}"),
            tool_call(0, arguments="}"),
            *ending("tool_calls"),
        ],
        [
            called("c1", arguments='{"a":1}'),
            called("c2", arguments='{"b":2}'),
            called("c3"),
            message("Meanwhile"),
        ],
    ),
    (
        "a call without arguments before another",
        [
            tool_call(0, "c1", "look"),
            tool_call(1, "c2", "look", "{}"),
            tool_call(0, arguments="{}"),
            *ending("tool_calls"),
        ],
        [called("c1"), called("c2")],
    ),
    (
        "custom calls piece by piece",
        [
            custom_call(0, "c1", "exec"),
            custom_call(0, text="1 "),
            custom_call(0, text="+ 1"),
            custom_call(1, "c2", "agents__send", "Hi"),
            *ending("tool_calls"),
        ],
        [custom("c1", "exec", "1 + 1"), custom("c2", "send", "Hi", namespace="agents")],
    ),
    (
        "a custom tool that was called as a function",
        [
            tool_call(0, "c1", "exec", '{"in'),
            tool_call(0, arguments='put":"1 + 1"}'),
            *ending("tool_calls"),
        ],
        [custom("c1", "exec", "1 + 1")],
    ),
    (
        "a function that was called with text",
        [custom_call(0, "c1", "look", "the moon"), *ending("tool_calls")],
        [called("c1", arguments='{"input":"the moon"}')],
    ),
    (
        "a search for tools",
        [
            tool_call(0, "c1", "tool_search"),
            tool_call(0, arguments='{"query":"mail"}'),
            *ending("tool_calls"),
        ],
        [
            {
                "type": "tool_search_call",
                "call_id": "c1",
                "execution": "client",
                "arguments": {"query": "mail"},
                "status": "completed",
            }
        ],
    ),
    (
        "a tool that is not declared",
        [tool_call(0, "c1", "unheard_of", "{}"), *ending("tool_calls")],
        [called("c1", "unheard_of")],
    ),
    (
        "a refusal",
        [delta(refusal="I "), delta(refusal="won't."), *ending()],
        [{**message(), "content": [{"type": "refusal", "refusal": "I won't."}]}],
    ),
    (
        "text and then a refusal",
        [delta(content="Well"), delta(refusal="No."), *ending()],
        [
            {
                **message(),
                "content": [*message("Well")["content"], {"type": "refusal", "refusal": "No."}],
            }
        ],
    ),
    (
        "citations and log probabilities",
        [logged("Hi"), delta(annotations=[CITED]), *ending()],
        [
            {
                **message(),
                "content": [
                    {
                        "type": "output_text",
                        "text": "Hi",
                        "annotations": [
                            {
                                "type": "url_citation",
                                "url": "https://a",
                                "title": "A",
                                "start_index": 0,
                                "end_index": 2,
                            }
                        ],
                        "logprobs": [{"token": "Hi", "logprob": -1.0, "top_logprobs": []}],
                    }
                ],
            }
        ],
    ),
    (
        "an image",
        [delta(images=[PNG]), delta(content="Here"), *ending()],
        [
            {"type": "image_generation_call", "status": "completed", "result": "AAAA"},
            message("Here"),
        ],
    ),
    (
        "an image at an address",
        [delta(images=[{"image_url": {"url": "https://a/b.png"}}]), *ending()],
        [message("\n![image](https://a/b.png)\n")],
    ),
    (
        "a limit",
        [delta(content="So"), *ending("length")],
        [{**message("So"), "status": "incomplete"}],
    ),
    (
        "a limit inside a call",
        [tool_call(0, "c1", "look", "{}"), tool_call(1, "c2", "look", '{"a":'), *ending("length")],
        [called("c1"), {**called("c2", arguments='{"a":'), "status": "incomplete"}],
    ),
    (
        "a limit inside the text for a tool",
        [custom_call(0, "c1", "exec", "rm -r "), *ending("length")],
        [{**custom("c1", "exec", "rm -r "), "status": "incomplete"}],
    ),
    (
        "a limit behind a whole call",
        [tool_call(0, "c1", "look", "{}"), *ending("length")],
        [{**called("c1")}],
    ),
    (
        "a filter",
        [delta(content="So"), *ending("content_filter")],
        [{**message("So"), "status": "incomplete"}],
    ),
]
each_case = pytest.mark.parametrize(
    ("chunks", "wanted"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
NAMES = [row[0] for row in CASES]


def offered() -> Answer:
    return answer(HELLO, tools=TOOLS, instructions="Be kind", stream=True)


def bare(items: list[Item]) -> list[Item]:
    return [
        {key: value for key, value in item.items() if key not in ("id", "encrypted_content")}
        for item in items
    ]


@each_case
def test_a_stream_keeps_every_rule(chunks: list[Chunk], wanted: list[Item]) -> None:
    events = check(stream(offered(), chunks))
    assert bare(events[-1]["response"]["output"]) == wanted


def batches(chunks: list[Chunk], seed: int) -> Iterator[list[Chunk]]:
    chance, rest = random.Random(seed), list(chunks)
    while rest:
        size = chance.randint(0, 3)
        yield rest[:size]
        rest = rest[size:]


@each_case
def test_however_chunks_arrive_the_stream_is_the_same(
    chunks: list[Chunk], wanted: list[Item]
) -> None:
    whole = stream(offered(), chunks)
    encoder = inbound.StreamEncoder(offered())
    assert encoder.encode(Batch(chunks)) + encoder.done() == whole
    for seed in range(5):
        encoder = inbound.StreamEncoder(offered())
        assert (
            b"".join(encoder.encode(Batch(batch)) for batch in batches(chunks, seed))
            + encoder.done()
            == whole
        )


@each_case
def test_a_keep_alive_fits_anywhere(chunks: list[Chunk], wanted: list[Item]) -> None:
    encoder = inbound.StreamEncoder(offered())
    assert encoder.keep_alive().startswith(b":"), "nothing has begun"
    data = b""
    for chunk in chunks:
        data += encoder.encode(Batch([chunk])) + encoder.keep_alive()
    events = check(data + encoder.done())
    beats = [event for event in events if event["type"] == "response.in_progress"]
    assert len(beats) == len(chunks) + 1
    assert bare(events[-1]["response"]["output"]) == wanted


@each_case
def test_an_answer_that_breaks_off_anywhere_fails_in_full(
    chunks: list[Chunk], wanted: list[Item]
) -> None:
    for end in range(len(chunks) - 1):
        encoder = inbound.StreamEncoder(offered())
        data = b"".join(encoder.encode(Batch([chunk])) for chunk in chunks[:end])
        before = parse(data)
        events = check(
            data + encoder.error(Refusal(502, "gone", "server_error", "upstream_stream_error"))
        )
        assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
        assert len(events) - len(before) == (4 if end == 0 else 2)
        assert encoder.response is None


@each_case
def test_a_whole_answer_has_the_items_of_its_stream(
    chunks: list[Chunk], wanted: list[Item]
) -> None:
    encoder = inbound.StreamEncoder(offered())
    encoder.encode(Batch(chunks))
    encoder.done()
    assert encoder.response is not None
    if len(wanted) > 1 and bare(encoder.response["output"]) != bare(_whole(chunks)["output"]):
        kinds = sorted(item["type"] for item in wanted)
        assert "message" in kinds, "only text is joined, and comes before the calls"
    else:
        assert _whole(chunks) == encoder.response


def _whole(chunks: list[Chunk]) -> dict[str, Any]:
    """The answer as one message, put together as the hub does it."""
    message: dict[str, Any] = {"role": "assistant"}
    calls: dict[int, dict[str, Any]] = {}
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None}
    chat: dict[str, Any] = {"choices": [choice]}
    for chunk in chunks:
        chat |= {"usage": chunk["usage"]} if "usage" in chunk else {}
        for part in chunk["choices"]:
            choice["finish_reason"] = part["finish_reason"]
            choice["logprobs"] = part.get("logprobs") or choice["logprobs"]
            for key, value in part["delta"].items():
                if key != "tool_calls":
                    message[key] = message[key] + value if key in message else value
            for call in part["delta"].get("tool_calls", ()):
                _merge(calls.setdefault(call["index"], {}), call)
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return dict(inbound.encode_response(chat, offered()))


def _merge(call: dict[str, Any], piece: dict[str, Any]) -> None:
    for key, value in piece.items():
        if key in ("function", "custom"):
            inner = call.setdefault(key, {})
            for name, text in value.items():
                inner[name] = inner.get(name, "") + text
        elif key != "index":
            call[key] = value


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(['{"', 'a":', "1", "}", "{}", "text", "think", "detail"]),
        ),
        max_size=14,
    )
)
def test_any_mixture_of_deltas_keeps_every_rule(pieces: list[tuple[int, str]]) -> None:
    chunks: list[Chunk] = []
    begun: dict[int, int] = {}
    given_: dict[int, str] = {}
    for call, piece in pieces:
        if piece == "text":
            chunks.append(delta(content="x"))
        elif piece == "think":
            chunks.append(delta(reasoning_content="x"))
        elif piece == "detail":
            chunks.append(delta(reasoning_details=[DETAIL]))
        else:
            if call not in begun:
                begun[call] = len(begun)
                chunks.append(tool_call(begun[call], f"c{call}", "look"))
            if _is_json(given_.get(call, "")):
                continue
            given_[call] = given_.get(call, "") + piece
            chunks.append(tool_call(begun[call], arguments=piece))
    events = check(stream(offered(), [*chunks, *ending("tool_calls")]))
    output = events[-1]["response"]["output"]
    found = {
        item["call_id"]: item["arguments"] for item in output if item["type"] == "function_call"
    }
    assert found == {f"c{call}": given_.get(call, "") or "{}" for call in begun}
    assert sum(
        len(item["content"][0]["text"]) for item in output if item["type"] == "message"
    ) == sum(piece == "text" for _, piece in pieces)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_call_that_may_still_change_is_never_done() -> None:
    encoder = inbound.StreamEncoder(offered())
    data = encoder.encode(
        Batch([custom_call(0, "c1", "exec", "a"), tool_call(1, "c2", "look", "{}")])
    )
    assert not [event for event in parse(data) if event["type"] == "response.output_item.done"]
    data += encoder.encode(Batch([custom_call(0, text="b"), finish("tool_calls")])) + encoder.done()
    assert [item["call_id"] for item in check(data)[-1]["response"]["output"]] == ["c1", "c2"]


def test_a_call_that_cannot_change_is_done_when_the_next_begins() -> None:
    encoder = inbound.StreamEncoder(offered())
    encoder.encode(Batch([tool_call(0, "c1", "look", '{"a":1}')]))
    events = parse(encoder.encode(Batch([tool_call(1, "c2", "look")])))
    assert [event["type"] for event in events[:2]] == [
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]


def test_what_providers_need_back_is_sealed_with_the_reasoning() -> None:
    chunks = [
        delta(reasoning_content="Why"),
        delta(reasoning_details=[DETAIL]),
        tool_call(0, "c1", "look", "{}", extra_content=EXTRA),
        *ending("tool_calls"),
    ]
    output = check(stream(offered(), chunks))[-1]["response"]["output"]
    thought = unsealed(output[0]["encrypted_content"])
    assert (thought.details, thought.extras) == ((DETAIL,), {"c1": EXTRA})
    again = request(
        HELLO, *output, {"type": "function_call_output", "call_id": "c1", "output": "ok"}
    )
    assert again.chat["messages"][1]["reasoning_details"] == [DETAIL]
    assert again.chat["messages"][1]["tool_calls"][0]["extra_content"] == EXTRA


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_signature_of_a_text_comes_back_with_it(place: int) -> None:
    chunks = [delta(content="So"), delta(content="on"), *ending()]
    chunks.insert(place, delta(extra_content=EXTRA))
    output = check(stream(offered(), chunks))[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "reasoning"]
    [_, again] = request(HELLO, *output).chat["messages"]
    assert again == {"role": "assistant", "content": "Soon", "extra_content": EXTRA}


def test_what_a_provider_says_beside_the_answer_is_kept() -> None:
    last = finish("stop") | {
        "citations": ["https://a"],
        "id": "other",
        "metadata": {"of": "the provider"},
    }
    last["choices"][0]["native_finish_reason"] = "end_turn"
    tail = ending()[1] | {"service_tier": "flex"}
    response = check(stream(offered(), [delta(content="So"), last, tail]))[-1]["response"]
    assert (response["citations"], response["service_tier"]) == (["https://a"], "flex")
    assert response["native_finish_reason"] == "end_turn"
    assert (response["id"], response["metadata"]) == ("resp_call1", {})
    choice = {
        "message": {"content": "So"},
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
    }
    chat = {
        "id": "other",
        "citations": ["https://a"],
        "service_tier": "flex",
        "usage": tail["usage"],
    }
    assert inbound.encode_response({**chat, "choices": [choice]}, offered()) == response


def test_codex_sees_a_refusal_as_text() -> None:
    known = answer(HELLO, headers={"originator": "codex_exec"})
    output = check(stream(known, [delta(refusal="No."), *ending()]))[-1]["response"]["output"]
    assert bare(output) == [message("No.")]


def test_a_compaction_is_exactly_one_item() -> None:
    compacting = answer(HELLO, {"type": "compaction_trigger"}, stream=True)
    chunks = [
        delta(reasoning_content="Hm"),
        delta(content="Done: "),
        delta(content="all"),
        *ending(),
    ]
    events = check(stream(compacting, chunks))
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["compaction"]
    assert summary_in(output[0]["encrypted_content"]) == "Done: all"
    chat = {"choices": [{"message": {"content": "Done: all"}, "finish_reason": "stop"}]}
    assert inbound.encode_response(chat, compacting)["output"] == output
    messages = request(HELLO, output[0]).chat["messages"]
    assert "Done: all" in messages[-1]["content"]


def test_the_response_repeats_the_request() -> None:
    fields: dict[str, Any] = {
        "instructions": "Be kind",
        "max_output_tokens": 500,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "temperature": 0.5,
        "text": {"verbosity": "low"},
        "tools": [*TOOLS, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "look"},
        "top_p": None,
        "store": False,
        "user": "u",
    }
    encoder = inbound.StreamEncoder(answer(HELLO, **fields))
    encoder.encode(Batch(ending()))
    encoder.done()
    assert encoder.response is not None
    repeated = {key: encoder.response[key] for key in fields}
    assert repeated == {
        **fields,
        "reasoning": {"effort": "low", "summary": None},
        "text": {"format": {"type": "text"}, "verbosity": "low"},
    }


def test_a_huge_number_in_a_tool_is_repeated_exactly() -> None:
    tool = function("look") | {"parameters": {"type": "object", "maximum": 2**70}}
    assert str(2**70).encode() in stream(answer(HELLO, tools=[tool]), ending())


USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 0},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 42,
}
NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [(ending(), USAGE), ([finish("stop")], NO_USAGE)],
    ids=["stated", "unknown"],
)
def test_usage_is_made_of_whole_numbers(chunks: list[Chunk], wanted: dict[str, Any]) -> None:
    assert check(stream(offered(), chunks))[-1]["response"]["usage"] == wanted


def test_many_mixed_calls_cost_linear_time() -> None:
    """Each delta is written once: the bytes of a stream grow with its deltas, whatever their
    order."""

    def size(count: int) -> int:
        chunks = [tool_call(place, f"c{place}", "look") for place in range(20)]
        chunks += [tool_call(place % 20, arguments=" ") for place in range(count)]
        return len(stream(offered(), [*chunks, *ending("tool_calls")]))

    assert size(2_000) - size(1_000) == pytest.approx(size(3_000) - size(2_000), rel=0.05)
