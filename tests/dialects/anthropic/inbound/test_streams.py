"""Streams: the sequence of events that every known client reads, whatever the hub's chunks are."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import sse
from gateway.dialects import anthropic
from gateway.dialects.anthropic.inbound import StreamEncoder, decode_request
from gateway.dialects.anthropic.inbound.answers import encode_response
from gateway.dialects.anthropic.inbound.json_end import JsonEnd
from gateway.dialects.chat.answers import as_chunks
from gateway.failures import Failed
from gateway.hub.chunks import ToolCalls, delta, finish, usage_chunk
from gateway.hub.contracts import Batch, Encoded, Refusal
from gateway.hub.sealed import unseal
from gateway.types import Chunk
from tests.dialects.anthropic.inbound.reader import BODY, answer, encoded, events, read
from tests.goldens import stream_bytes, stream_cases

MANY = settings(max_examples=150, deadline=None, derandomize=True)
CALLED = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}


def start(number: int, name: str = "look_up", **more: Any) -> Chunk:
    function = {"name": name, "arguments": more.pop("arguments", "")}
    call = {"index": number, "id": f"call_{number}", "type": "function", "function": function}
    return delta(tool_calls=[{**call, **more}])


def arguments(number: int, text: str) -> Chunk:
    return delta(tool_calls=[{"index": number, "function": {"arguments": text}}])


def thought(text: str) -> Chunk:
    return delta(reasoning_content=text)


def said(text: str) -> Chunk:
    return delta(content=text)


def kinds(data: bytes) -> list[Any]:
    return [block["type"] for block in read(data)["content"]]


def test_the_events_of_a_plain_answer() -> None:
    data = encoded([said("Hel"), said("lo"), finish("stop"), usage_chunk(CALLED)])
    zero = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    assert events(data) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "gpt-5.5",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 0, **zero, "output_tokens": 1},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"input_tokens": 100, **zero, "output_tokens": 7},
        },
        {"type": "message_stop"},
    ]


def test_every_event_is_framed_as_the_sdks_need_it() -> None:
    for block in encoded([said("a\nb"), finish("stop")]).split(b"\n\n")[:-1]:
        name, data = block.split(b"\n")
        assert name.startswith(b"event: ")
        assert data.startswith(b"data: {")


SEQUENCES: dict[str, tuple[list[Chunk], list[str]]] = {
    "text, tool, thinking, text": (
        [said("a"), start(0, arguments="{}"), thought("b"), said("c"), finish("tool_calls")],
        ["text", "tool_use", "thinking", "text"],
    ),
    "thinking, tool, thinking": (
        [thought("a"), start(0), arguments(0, "{}"), thought("b"), finish("tool_calls")],
        ["thinking", "tool_use", "thinking"],
    ),
    "a call without arguments": ([start(0), finish("tool_calls")], ["tool_use"]),
    "an empty answer": ([finish("stop")], []),
    "text in the middle of a call's arguments waits": (
        [
            start(0),
            arguments(0, '{"a"'),
            said("x"),
            arguments(0, ":1}"),
            said("y"),
            finish("tool_calls"),
        ],
        ["tool_use", "text"],
    ),
    "parallel calls whose pieces alternate": (
        [
            start(0),
            start(1, "send"),
            arguments(0, '{"a":'),
            arguments(1, '{"b":'),
            arguments(0, "1}"),
            arguments(1, "2}"),
            finish("tool_calls"),
        ],
        ["tool_use", "tool_use"],
    ),
    "a second call while the first one never becomes JSON": (
        [start(0), arguments(0, '{"a":'), start(1, arguments="{}"), finish("length")],
        ["tool_use", "tool_use"],
    ),
}


@pytest.mark.parametrize(("chunks", "wanted"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_a_change_of_kind_closes_a_block_and_opens_the_next(
    chunks: list[Chunk], wanted: list[str]
) -> None:
    assert kinds(encoded(chunks)) == wanted


def test_interleaved_calls_keep_their_own_arguments() -> None:
    message = read(encoded(SEQUENCES["parallel calls whose pieces alternate"][0]))
    assert [(block["id"], block["name"], block["input"]) for block in message["content"]] == [
        ("call_0", "look_up", {"a": 1}),
        ("call_1", "send", {"b": 2}),
    ]


def test_a_complete_call_is_not_held_back_by_the_one_that_follows() -> None:
    encoder = StreamEncoder(answer())
    encoder.encode(Batch([start(0), arguments(0, '{"a":1}')]))
    assert b"call_1" in encoder.encode(Batch([start(1)]))


def test_arguments_stream_as_they_come() -> None:
    encoder = StreamEncoder(answer())
    encoder.encode(Batch([start(0)]))
    assert b'"partial_json":"{\\"a\\":"' in encoder.encode(Batch([arguments(0, '{"a":')]))


def test_invalid_arguments_are_streamed_as_they_are() -> None:
    message = read(encoded([start(0), arguments(0, '{"a": nope}'), finish("tool_calls")]))
    assert message["content"][0]["input"] == '{"a": nope}'


def test_nothing_of_a_calls_arguments_is_lost_while_it_is_open() -> None:
    """Some servers send an empty object first. The client sees text that is not JSON."""
    message = read(
        encoded([start(0, arguments="{}"), arguments(0, '{"a":1}'), finish("tool_calls")])
    )
    assert message["content"][0]["input"] == '{}{"a":1}'


def test_integers_of_any_size_pass_in_arguments() -> None:
    number = "123456789012345678901234567890"
    assert number.encode() in encoded(
        [start(0, arguments='{"n":' + number + "}"), finish("tool_calls")]
    )


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("stop", "end_turn"),
        ("tool_calls", "tool_use"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("new", "end_turn"),
    ],
)
def test_stop_reasons(reason: str, wanted: str) -> None:
    assert read(encoded([said("a"), finish(reason)]))["stop_reason"] == wanted


def test_a_refusal_keeps_what_was_said() -> None:
    message = read(encoded([said("I"), delta(refusal="Not that."), finish("content_filter")]))
    assert message["content"] == [{"type": "text", "text": "I"}]
    assert message["stop_reason"] == "refusal"
    assert message["stop_details"] == {
        "type": "refusal",
        "category": None,
        "explanation": "Not that.",
    }


def test_a_refusal_in_place_of_content_is_the_models_own_words() -> None:
    message = read(encoded([delta(refusal="I can't"), delta(refusal=" help."), finish("stop")]))
    assert message["content"] == [{"type": "text", "text": "I can't help."}]
    assert message["stop_reason"] == "refusal"


def test_counts_leave_cached_tokens_out() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 9,
        "total_tokens": 109,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 4},
        "cost": 0.5,
    }
    assert read(encoded([said("a"), finish("stop"), usage_chunk(usage)]))["usage"] == {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
        "cost": 0.5,
    }


def test_counts_that_the_provider_does_not_state_are_zero() -> None:
    assert read(encoded([said("a"), finish("stop")]))["usage"]["output_tokens"] == 0


# --- thinking -------------------------------------------------------------------------------------

DETAIL = {"type": "reasoning.text", "text": "hm", "index": 0}
GEMINI = {"google": {"thought_signature": "c2ln"}}


@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}])
def test_thinking_is_sent_only_where_it_was_asked_for(thinking: Any) -> None:
    chunks = [
        thought("hm"),
        delta(reasoning_details=[DETAIL]),
        start(0, extra_content=GEMINI),
        finish("tool_calls"),
    ]
    assert kinds(encoded(chunks, thinking=thinking)) == ["tool_use"]


@pytest.mark.parametrize("display", ["summarized", "updates", "unknown"])
def test_thinking_is_shown(display: str) -> None:
    message = read(
        encoded(
            [thought("hm"), said("a"), finish("stop")],
            thinking={"type": "adaptive", "display": display},
        )
    )
    assert message["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}


def test_thinking_whose_text_is_omitted_keeps_its_signature() -> None:
    chunks = [thought("hm"), delta(reasoning_details=[DETAIL]), said("a"), finish("stop")]
    block = read(encoded(chunks, thinking={"type": "adaptive", "display": "omitted"}))["content"][0]
    assert block["thinking"] == ""
    assert unseal(block["signature"]) == {"details": [DETAIL]}


def test_thinking_whose_text_is_omitted_and_that_has_no_signature_is_left_out() -> None:
    assert kinds(
        encoded([thought("hm"), said("a")], thinking={"type": "adaptive", "display": "omitted"})
    ) == ["text"]


@pytest.mark.parametrize("between", [[], [said("Let me look.")]])
def test_what_a_call_has_to_bring_back_is_sealed_before_it(between: list[Chunk]) -> None:
    chunks = [thought("hm"), *between, start(0, extra_content=GEMINI), finish("tool_calls")]
    *_, block, call = read(encoded(chunks))["content"]
    assert block["type"] == "thinking"
    assert unseal(block["signature"]) == {"calls": {"call_0": GEMINI}}
    assert call["type"] == "tool_use"


def test_a_sealed_signature_comes_back_to_the_hub() -> None:
    chunks = [
        thought("hm"),
        delta(reasoning_details=[DETAIL]),
        start(0, extra_content=GEMINI),
        finish("tool_calls"),
    ]
    turn = {"role": "assistant", "content": read(encoded(chunks))["content"]}
    result = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "call_0", "content": "4C"}],
    }
    chat = decode_request({**BODY, "messages": [*BODY["messages"], turn, result]}, {}).chat
    message = chat["messages"][1]
    assert message["reasoning_content"] == "hm"
    assert message["reasoning_details"] == [DETAIL]
    assert message["tool_calls"][0]["extra_content"] == GEMINI


# --- citations ------------------------------------------------------------------------------------

ANNOTATION = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
CITATION = {
    "type": "web_search_result_location",
    "url": "https://a.example",
    "title": "A",
    "cited_text": "",
    "encrypted_index": "",
}


@pytest.mark.parametrize(
    "chunks",
    [
        [said("a"), delta(annotations=[ANNOTATION])],
        [delta(annotations=[ANNOTATION]), said("a")],
        [delta(annotations=[ANNOTATION]), thought("hm"), said("a")],
    ],
)
def test_citations_belong_to_a_text(chunks: list[Chunk]) -> None:
    *_, block = read(encoded([*chunks, finish("stop")]))["content"]
    assert block == {"type": "text", "text": "a", "citations": [CITATION]}


# --- ends -----------------------------------------------------------------------------------------


def test_an_error_ends_a_stream_that_never_began() -> None:
    data = StreamEncoder(answer()).error(
        Refusal(503, "busy", "server_error", "upstream_overloaded")
    )
    assert events(data) == [
        {
            "type": "error",
            "error": {
                "type": "overloaded_error",
                "message": "busy",
                "details": {"code": "upstream_overloaded"},
            },
        }
    ]


def test_an_error_ends_a_stream_in_its_middle() -> None:
    encoder = StreamEncoder(answer())
    data = encoder.encode(Batch([said("a")])) + encoder.error(Refusal(502, "cut", "server_error"))
    assert [body["type"] for body in events(data)][-2:] == ["content_block_delta", "error"]


def test_pings_keep_the_client_waiting_at_any_moment() -> None:
    encoder = StreamEncoder(answer())
    data = encoder.keep_alive()
    for chunk in (said("a"), finish("stop")):
        data += encoder.encode(Batch([chunk])) + encoder.keep_alive()
    assert read(data + encoder.done())["content"] == [{"type": "text", "text": "a"}]


def test_a_batch_without_content_opens_the_stream() -> None:
    assert events(StreamEncoder(answer()).encode(Batch([])))[0]["type"] == "message_start"


# --- the native lane ------------------------------------------------------------------------------

NATIVE = stream_cases("anthropic")


def own_events(data: bytes) -> list[sse.Event]:
    decoder = sse.Decoder()
    return [*decoder.decode(data), *decoder.flush()]


@pytest.mark.parametrize("case", NATIVE)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_providers_own_events_pass_unchanged(case: str, size: int) -> None:
    every = own_events(stream_bytes("anthropic", case))
    own = [event for event in every if event.data and event.name not in (b"", b"error")]
    encoder = StreamEncoder(answer())
    data = b""
    for place in range(0, len(own), size):
        data += encoder.encode(Batch([], own[place : place + size]))
    stop = [event.raw for event in own if event.name == b"message_stop"]
    assert data + b"".join(stop) == b"".join(event.raw for event in own)
    assert not stop or encoder.done() == stop[0]


def test_an_answer_that_stops_without_a_reason_has_one_end() -> None:
    encoder = StreamEncoder(answer())
    data = encoder.encode(Batch([], own_events(b'data: {"type":"message_stop"}\n\n')))
    data += encoder.error(Refusal(502, "cut"))
    assert [event["type"] for event in events(data)] == ["error"]


def test_the_end_is_written_where_the_provider_left_it_out() -> None:
    encoder = StreamEncoder(answer())
    encoder.encode(Batch([], [sse.Event(b"message_delta", b'{"type":"message_delta"}')]))
    assert events(encoder.done()) == [{"type": "message_stop"}]


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        (b'data: {"type":"ping"}\n\n', b'event: ping\ndata: {"type":"ping"}\n\n'),
        (b'event: error\ndata: {"type":"error","error":{}}\n\n', b""),
        (b'data: {"type":"error","error":{}}\n\n', b""),
        (b"data: [DONE]\n\n", b""),
        (b"event: ping\ndata:\n\n", b""),
        (
            b'event: brand_new\ndata: {"type":"brand_new","x":1}  \n\n',
            b'event: brand_new\ndata: {"type":"brand_new","x":1}  \n\n',
        ),
    ],
)
def test_odd_events_of_the_provider(own: bytes, wanted: bytes) -> None:
    assert StreamEncoder(answer()).encode(Batch([], own_events(own))) == wanted


def test_an_error_on_the_native_lane_is_written_by_the_gateway() -> None:
    encoder = StreamEncoder(answer())
    data = encoder.encode(Batch([], [sse.Event(b"message_start", b'{"type":"message_start"}')]))
    data += encoder.error(Refusal(502, "cut", "server_error"))
    assert [body["type"] for body in events(data)] == ["message_start", "error"]


# --- anything -------------------------------------------------------------------------------------

WORDS = st.sampled_from(["a", "Grüße 🙈", "\n", '{"', "  "])
JSONS = st.sampled_from(
    ['{"a":1}', "{}", '{"a":{"b":["}",{"c":"\\"]"}]}}', '{"a":"\\\\"}', "", '{"a":']
)


@st.composite
def streams(draw: st.DrawFn) -> list[Chunk]:  # noqa: C901 (one branch per kind of chunk)
    """Chunks as the hub makes them, in any order that a provider may cause."""
    calls, chunks, open_calls = ToolCalls(Encoded("/", {})), list[Chunk](), dict[int, str]()
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["text", "thought", "detail", "call", "more", "more", "note"]))
        if kind == "call":
            open_calls[number] = draw(JSONS)
            extra = draw(st.sampled_from([None, GEMINI]))
            chunks += calls.start(number, f"call_{number}", "look_up", extra)
        elif kind == "more" and open_calls:
            key = draw(st.sampled_from(sorted(open_calls)))
            size = draw(st.integers(0, 4))
            chunks += calls.arguments(key, open_calls[key][:size])
            open_calls[key] = open_calls[key][size:]
        elif kind == "text":
            chunks.append(said(draw(WORDS)))
        elif kind == "thought":
            chunks.append(thought(draw(WORDS)))
        elif kind == "detail":
            chunks.append(delta(reasoning_details=[DETAIL]))
        elif kind == "note":
            chunks.append(delta(annotations=[ANNOTATION]))
    for key, rest in open_calls.items():
        chunks += calls.arguments(key, rest) + calls.end(key)
    reason = draw(st.sampled_from(["stop", "length", "tool_calls"]))
    return [*chunks, finish(reason), *draw(st.sampled_from([[], [usage_chunk(CALLED)]]))]


def joined(chunks: list[Chunk], key: str) -> str:
    return "".join(
        choice["delta"].get(key) or "" for chunk in chunks for choice in chunk["choices"]
    )


def pieces_of(chunks: list[Chunk], number: int) -> str:
    calls = [
        call
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    return "".join(call["function"]["arguments"] for call in calls if call["index"] == number)


@given(streams())
@MANY
def test_any_stream_keeps_the_promises_and_loses_nothing(chunks: list[Chunk]) -> None:
    message = read(encoded(chunks))
    blocks = message["content"]
    assert "".join(block.get("text", "") for block in blocks) == joined(chunks, "content")
    assert "".join(block.get("thinking", "") for block in blocks) == joined(
        chunks, "reasoning_content"
    )
    calls = [block for block in blocks if block["type"] == "tool_use"]
    for number, call in enumerate(calls):
        assert call["input"] == orjson_or_text(pieces_of(chunks, number))
    seals = [unseal(block["signature"]) for block in blocks if block.get("signature")]
    details = [item for seal in seals if seal for item in seal.get("details", ())]
    assert details == [DETAIL] * sum(
        "reasoning_details" in c["delta"] for x in chunks for c in x["choices"]
    )


def orjson_or_text(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


@given(streams())
@MANY
def test_batching_changes_nothing(chunks: list[Chunk]) -> None:
    one_by_one = encoded(chunks)
    assert encoded(chunks, 3) == one_by_one
    assert encoded(chunks, len(chunks)) == one_by_one


def test_the_cost_of_buffered_calls_is_linear() -> None:
    """Every byte of the arguments is written once: the output grows with the input, not faster."""

    def size(count: int) -> int:
        chunks = [start(number) for number in range(3)]
        for _ in range(count):
            chunks += [arguments(number, '"}{"') for number in range(3)]
        return len(encoded([*chunks, finish("tool_calls")]))

    small, large = size(100), size(1000)
    assert large < small * 11


# --- the same answer, whole and streamed ----------------------------------------------------------


def test_a_whole_answer_says_the_same_as_its_stream() -> None:
    message = {
        "role": "assistant",
        "content": "Rome.",
        "reasoning_content": "Compare.",
        "annotations": [ANNOTATION],
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": None}
    chat = {"object": "chat.completion", "model": "m", "choices": [choice], "usage": CALLED}
    whole = dict(encode_response(chat, answer()))
    assert read(encoded(list(as_chunks(chat)))) == whole


@pytest.mark.parametrize("case", NATIVE)
def test_anthropics_own_answers_survive_the_hub(case: str) -> None:
    """What the upstream face decodes, this face encodes: the promises hold for every recorded
    stream."""
    decoder = anthropic.StreamDecoder(Encoded("/", {}))
    chunks: list[Chunk] = []
    try:
        for event in own_events(stream_bytes("anthropic", case)):
            chunks += decoder.decode(event)
        chunks += decoder.flush()
    except Failed:
        encoder = StreamEncoder(answer())
        broken = encoder.encode(Batch(chunks)) + encoder.error(Refusal(502, "cut", "server_error"))
        assert events(broken)[-1]["type"] == "error"
        return
    read(encoded(chunks))


@pytest.mark.parametrize("sizes", list(itertools.product([1, 2, 7], repeat=2)))
def test_json_ends_where_it_ends_wherever_it_is_cut(sizes: tuple[int, int]) -> None:
    text = '{"a":"}\\\\\\"{","b":[{}, "]"], "c":"\\\\"}'
    end, place = JsonEnd(), 0
    for size in itertools.cycle(sizes):
        if place >= len(text):
            break
        assert not end.reached
        end.feed(text[place : place + size])
        place += size
    assert end.reached
