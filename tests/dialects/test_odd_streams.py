"""What servers do to a stream in its middle and at its end, in every provider's own format,
wherever it is cut."""

from __future__ import annotations

import pytest

from gateway import sse
from gateway.dialects import DIALECTS, Encoded
from gateway.failures import Failed
from gateway.hub import exact_json, halves
from gateway.upstream.whole import decode_whole, loads
from tests.dialects.said import (
    ARGUMENTS,
    CALL,
    ERROR,
    FINISH,
    HIGH,
    LAST,
    LOW,
    REFUSED,
    SMILE,
    TEXT,
    THOUGHT,
    Text,
    chat,
    event,
    google,
    said,
    typed,
)
from tests.goldens import decode_stream
from tests.splits import splits

# --- half a character -----------------------------------------------------------------------------

FIELDS = [
    (dialect, field, piece)
    for field, table in (("content", TEXT), ("reasoning_content", THOUGHT), ("refusal", REFUSED))
    for dialect, piece in table.items()
]
HALVES = {
    "a pair in two events": ([f"a{HIGH}", f"{LOW}b"], f"a{SMILE}b"),
    "two pairs": ([HIGH, f"{LOW}{HIGH}", LOW], SMILE * 2),
    "a half that stays alone": ([f"a{HIGH}", "b"], "a\ufffdb"),
    "a low half that stays alone": (["a", f"{LOW}b"], "a\ufffdb"),
    "two high halves": ([HIGH, HIGH, LOW], f"\ufffd{SMILE}"),
    "a half at the end": (["a", HIGH], "a\ufffd"),
    "a half in the middle": ([f"a{HIGH}b"], "a\ufffdb"),
    "no half but a backslash": (["a\\\\ud83d", HIGH, LOW], f"a\\ud83d{SMILE}"),
}


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize(
    ("dialect", "field", "piece"), FIELDS, ids=lambda value: value if value is str else None
)
def test_a_character_cut_in_two_is_joined(dialect: str, field: str, piece: Text, name: str) -> None:
    texts, whole = HALVES[name]
    stream = b"".join(map(piece, texts)) + FINISH[dialect] + LAST[dialect]
    for pieces in splits(stream):
        found = said(dialect, *pieces)
        assert (found.failed, found.fields.get(field), len(found.finishes)) == (None, whole, 1)


@pytest.mark.parametrize("dialect", ARGUMENTS)
def test_a_character_cut_in_two_is_joined_in_arguments(dialect: str) -> None:
    pieces = ['{\\"a\\":\\"' + HIGH, LOW + '\\"}']
    stream = (
        CALL[dialect] + b"".join(map(ARGUMENTS[dialect], pieces)) + FINISH[dialect] + LAST[dialect]
    )
    for cut in splits(stream):
        assert said(dialect, *cut).named == [("f", '{"a":"%s"}' % SMILE)]  # noqa: UP031


@pytest.mark.parametrize("dialect", ARGUMENTS)
def test_a_character_cut_in_two_is_joined_in_the_input_of_a_custom_tool(dialect: str) -> None:
    pieces = ['{\\"input\\":\\"' + HIGH, LOW + '\\"}']
    stream = (
        CALL[dialect] + b"".join(map(ARGUMENTS[dialect], pieces)) + FINISH[dialect] + LAST[dialect]
    )
    [call] = said(dialect, stream, custom_tools=frozenset({"f"})).calls
    assert call["custom"] == {"name": "f", "input": SMILE}


def test_fields_and_choices_keep_their_halves_apart() -> None:
    stream = chat(f'{{"content":"{HIGH}"}}') + chat(f'{{"content":"{HIGH}"}}', index="1")
    stream += (
        chat(f'{{"reasoning":"{LOW}"}}')
        + chat(f'{{"content":"{LOW}"}}')
        + chat(f'{{"content":"{LOW}"}}', index="1")
    )
    decoder = DIALECTS["chat"].StreamDecoder(Encoded("/", {"n": 2}))
    chunks = [chunk for found in sse.Decoder().decode(stream) for chunk in decoder.decode(found)]
    deltas = [(choice["index"], choice["delta"]) for chunk in chunks for choice in chunk["choices"]]
    assert deltas == [
        (0, {"reasoning_content": "\ufffd"}),
        (0, {"content": SMILE}),
        (1, {"content": SMILE}),
    ]


WHOLE = {
    "chat": '{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}',
    "anthropic": '{"content":[{"type":"text","text":"%s"}],"stop_reason":"end_turn"}',
    "google": '{"candidates":[{"content":{"parts":[{"text":"%s"}]},"finishReason":"STOP"}]}',
    "responses": '{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"%s"}]}]}',  # noqa: E501
}


@pytest.mark.parametrize(
    ("text", "whole"), [(f"a{HIGH}", "a\ufffd"), (f"{LOW}a{HIGH}{LOW}", f"\ufffda{SMILE}")]
)
@pytest.mark.parametrize("dialect", WHOLE)
def test_a_half_in_a_whole_answer_spoils_nothing(dialect: str, text: str, whole: str) -> None:
    answer = decode_whole(
        DIALECTS[dialect], loads((WHOLE[dialect] % text).encode()), Encoded("/x", {})
    )
    assert answer["choices"][0]["message"]["content"] == whole


LONG = 2**70
FACT = f'"brand_new":[{LONG},"a{HIGH}b"]'
STREAMS = {
    "chat": TEXT["chat"]("Hi").replace(b"{", b"{" + FACT.encode() + b",", 1),
    "anthropic": typed('{"type":"message_start","message":{' + FACT + "}}")
    + TEXT["anthropic"]("Hi"),
    "google": TEXT["google"]("Hi").replace(b"{", b"{" + FACT.encode() + b",", 1),
    "responses": TEXT["responses"]("Hi"),
}
ENDS = {
    **FINISH,
    "responses": typed(
        '{"type":"response.completed","response":{"status":"completed",' + FACT + "}}"
    ),
}


@pytest.mark.parametrize("dialect", STREAMS)
def test_long_integers_beside_half_a_character_leave_exact_with_the_finish(dialect: str) -> None:
    stream = STREAMS[dialect] + ENDS[dialect] + LAST[dialect]
    for pieces in splits(stream):
        chunks = decode_stream(DIALECTS[dialect], pieces, Encoded("/", {}))
        [finish] = [
            chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"]
        ]
        assert finish["brand_new"] == [LONG, "a\ufffdb"]


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("chat", '{"choices":[{"message":{"content":"Hi",FACT},"finish_reason":"stop"}]}'),
        ("anthropic", '{"content":[{"type":"new",FACT}],"stop_reason":"end_turn"}'),
        ("google",
        '{FACT,"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}'),
        ("responses", '{"status":"completed",FACT,"output":[]}'),
    ],
    ids=["chat", "anthropic", "google", "responses"],
)  # fmt: skip
def test_long_integers_beside_half_a_character_in_a_whole_answer(dialect: str, body: str) -> None:
    chat_ = decode_whole(
        DIALECTS[dialect], loads(body.replace("FACT", FACT).encode()), Encoded("/", {})
    )
    written = exact_json.dumps(chat_)
    assert f"{LONG}".encode() in written
    assert "a\ufffdb".encode() in written


def test_a_call_whose_arguments_are_an_object_keeps_both() -> None:
    part = '{"functionCall":{"name":"f","args":{"long":%d,"text":"a%sb%s"}}}' % (  # noqa: UP031
        LONG,
        HIGH,
        HIGH + LOW,
    )
    found = said("google", google(part), FINISH["google"])
    assert exact_json.loads(found.calls[0]["function"]["arguments"]) == {
        "long": LONG,
        "text": f"a\ufffdb{SMILE}",
    }


def test_the_items_of_an_array_keep_their_long_integers() -> None:
    found = halves.items(f'[{{"a":{LONG}}},[{LONG},"{HIGH}"],"x"]'.encode())
    assert found == [f'{{"a":{LONG}}}'.encode(), f'[{LONG},"{HIGH}"]'.encode(), b'"x"']


def test_a_late_name_brings_the_other_fields_of_its_call() -> None:
    first = chat('{"tool_calls":[{"index":0,"id":"a","early":1,"function":{"arguments":"{"}}]}')
    second = chat(
        '{"tool_calls":[{"index":0,"extra_content":{"x":1},"function":{"name":"f","arguments":"}"}}]}'
    )
    [call] = said("chat", first, second, FINISH["chat"], LAST["chat"]).calls
    assert (call["early"], call["extra_content"], call["function"]) == (
        1,
        {"x": 1},
        {"name": "f", "arguments": "{}"},
    )


@pytest.mark.parametrize(
    ("dialect", "first", "second", "native"),
    [
        ("chat", chat("{}", '"eos"'), chat("{}", '"length"'), None),
        ("chat", chat("{}", '"length"'), chat("{}", '"eos"'), None),
        ("chat", chat("{}", '"stop"'), chat("{}", '"safety"'), "safety"),
        (
            "google",
            google("", ',"finishReason":"STOP"'),
            google("", ',"finishReason":"SPII"'),
            "SPII",
        ),
        (
            "google",
            google("", ',"finishReason":"MAX_TOKENS"'),
            google("", ',"finishReason":"SPII"'),
            None,
        ),
    ],
)
def test_the_providers_own_word_is_that_of_the_finish_that_counts(
    dialect: str, first: bytes, second: bytes, native: str | None
) -> None:
    stream = TEXT[dialect]("Hi") + first + second + LAST[dialect]
    chunks = decode_stream(DIALECTS[dialect], [stream], Encoded("/", {}))
    [finish] = [
        chunk["choices"][0]
        for chunk in chunks
        if chunk["choices"] and chunk["choices"][0]["finish_reason"]
    ]
    assert finish.get("native_finish_reason") == native


def test_the_items_of_an_array_keep_their_halves() -> None:
    assert halves.items(f'[{{"a":"{HIGH}"}},"{LOW}{HIGH}{LOW}"]'.encode()) == [
        b'{"a":"\\ud83d"}',
        b'"\\ude42' + SMILE.encode() + b'"',
    ]
    assert halves.items(b'{"a": 1}') == []


@pytest.mark.parametrize("data", [b'{"a": "\\ud83d', b'"\\\\ud83d\\ud83', b'{"a": \\ud83d}'])
def test_invalid_json_is_still_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        halves.loads(data)


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_content_behind_the_finish_reason_comes_before_the_one_finish(dialect: str) -> None:
    if dialect == "responses":
        return  # its last event is its finish
    stream = (
        TEXT[dialect]("a")
        + FINISH[dialect]
        + TEXT[dialect]("b")
        + TEXT[dialect]("c")
        + FINISH[dialect]
    )
    for pieces in splits(stream + LAST[dialect]):
        found = said(dialect, *pieces)
        assert (found.failed, found.fields, found.finishes) == (None, {"content": "abc"}, ["stop"])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_repeated_behind_the_finish_reason_is_not_doubled(dialect: str) -> None:
    stream = (
        TEXT[dialect]("a")
        + TEXT[dialect]("b")
        + FINISH[dialect]
        + TEXT[dialect]("b")
        + FINISH[dialect]
    )
    for pieces in splits(stream + LAST[dialect]):
        found = said(dialect, *pieces)
        assert (found.failed, found.fields, found.finishes) == (None, {"content": "ab"}, ["stop"])


def test_a_last_chunk_that_is_sent_twice_is_read_once() -> None:
    last = chat('{"content":"b"}', '"stop"')
    assert said("chat", chat('{"content":"a"}'), last, last, LAST["chat"]).fields == {
        "content": "ab"
    }
    whole = event('{"choices":[{"index":0,"message":{"content":"ab"},"finish_reason":"stop"}]}')
    assert said("chat", chat('{"content":"a"}'), last, whole, LAST["chat"]).fields == {
        "content": "ab"
    }


def test_a_whole_call_that_is_sent_twice_is_read_once() -> None:
    call = chat('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}')
    piece = chat('{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}')
    start = chat('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}')
    for stream in (call + FINISH["chat"] + call, start + piece + FINISH["chat"] + call):
        assert said("chat", stream + FINISH["chat"] + LAST["chat"]).named == [("f", "{}")]


def test_a_plain_stop_gives_way_to_another_reason() -> None:
    for first, second in (("stop", "length"), ("length", "stop")):
        stream = (
            chat('{"content":"a"}')
            + chat("{}", f'"{first}"')
            + chat("{}", f'"{second}"')
            + LAST["chat"]
        )
        assert said("chat", stream).finishes == ["length"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_is_read_behind_the_last_event(dialect: str) -> None:
    last = LAST[dialect] or (FINISH[dialect] if dialect == "responses" else b"data: [DONE]\n\n")
    stream = (
        TEXT[dialect]("a")
        + FINISH[dialect]
        + last
        + TEXT[dialect]("b")
        + ERROR[dialect]
        + FINISH[dialect]
    )
    for pieces in splits(stream):
        found = said(dialect, *pieces)
        assert (found.failed, found.fields, found.finishes) == (None, {"content": "a"}, ["stop"])


# --- a name that comes late -----------------------------------------------------------------------


def call(fields: str, index: str = '"index":0,') -> bytes:
    return chat('{"tool_calls":[{%s%s}]}' % (index, fields))  # noqa: UP031


BEGUN, NAMED = call('"id":"a","function":{"name":""}'), call('"function":{"name":"f"}')
PART, REST = call('"function":{"arguments":"{\\"a\\""}'), call('"function":{"arguments":":1}"}')
ALL = call('"function":{"arguments":"{\\"a\\":1}"}')
LATE = {
    "an empty name, then the name": [BEGUN, NAMED, ALL],
    "no name, then the name with its id": [
        call('"id":"a","function":{"arguments":""}'), call('"id":"a","function":{"name":"f"}'), ALL,
    ],
    "arguments around the name": [BEGUN, PART, NAMED, REST],
    "arguments before the name": [BEGUN, PART, REST, NAMED],
    "the name with the rest": [BEGUN, PART, call('"function":{"name":"f","arguments":":1}"}')],
    "a null for a name": [call('"id":"a","function":{"name":null,"arguments":null}'), NAMED, ALL],
    "the id last": [call('"function":{"name":""}'), PART, call('"id":"a","function":{"name":"f"}'),
    REST],
}  # fmt: skip


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("name", LATE)
def test_a_call_waits_for_its_name(name: str, indexed: bool) -> None:
    stream = b"".join(LATE[name])
    stream = (
        stream
        if indexed
        else stream.replace(b'"index":0,"id"', b'"id"').replace(b'{"index":0,"f', b'{"f')
    )
    for pieces in splits(stream + FINISH["chat"] + LAST["chat"]):
        found = said("chat", *pieces)
        assert (found.failed, found.named, found.finishes) == (
            None,
            [("f", '{"a":1}')],
            ["tool_calls"],
        )
        assert [call["id"] for call in found.calls] == ["a"]


def test_calls_whose_names_come_late_are_counted_without_gaps() -> None:
    second = call('"id":"b","function":{"name":"g","arguments":"{}"}', '"index":1,')
    found = said("chat", BEGUN, second, NAMED, ALL, FINISH["chat"], LAST["chat"])
    assert found.named == [("g", "{}"), ("f", '{"a":1}')]
    again = call('"id":"b","function":{"name":""}')
    found = said(
        "chat",
        BEGUN,
        NAMED,
        ALL,
        again,
        call('"function":{"name":"g"}'),
        FINISH["chat"],
        LAST["chat"],
    )
    assert found.named == [("f", '{"a":1}'), ("g", "{}")]


@pytest.mark.parametrize("end", [FINISH["chat"], FINISH["chat"] + LAST["chat"], LAST["chat"]])
@pytest.mark.parametrize(
    "pieces", [[BEGUN], [BEGUN, ALL], [call('"id":"a","function":{"arguments":"{}"}')]]
)
def test_a_call_without_a_name_is_malformed(pieces: list[bytes], end: bytes) -> None:
    for cut in splits(b"".join(pieces) + end):
        found = said("chat", *cut, finish="none")
        assert (found.failed, found.calls, found.finishes) == ("malformed", [], [])


def test_a_custom_call_waits_for_its_name() -> None:
    start = chat('{"tool_calls":[{"index":0,"id":"a","custom":{"input":"x"}}]}')
    name = chat('{"tool_calls":[{"index":0,"custom":{"name":"f","input":"y"}}]}')
    [found] = said("chat", start, name, FINISH["chat"], LAST["chat"]).calls
    assert found["custom"] == {"name": "f", "input": "xy"}
    parts = [
        BEGUN,
        call('"function":{"arguments":"{\\"input\\":\\"x"}'),
        NAMED,
        call('"function":{"arguments":"y\\"}"}'),
    ]
    collected = said("chat", *parts, FINISH["chat"], custom_tools=frozenset({"f"}))
    assert [each["custom"] for each in collected.calls] == [{"name": "f", "input": "xy"}]


ITEM = '"output_index":0,"item":{"type":"function_call","id":"i","call_id":"a","arguments":"%s","name":"%s"}}'  # noqa: E501


@pytest.mark.parametrize("named_by", ["arguments.done", "item.done"])
def test_an_item_whose_name_comes_with_its_end(named_by: str) -> None:
    start = typed('{"type":"response.output_item.added",' + ITEM % ("", ""))
    done = typed(
        '{"type":"response.function_call_arguments.done","output_index":0,"name":"f","arguments":"{}"}'
    )
    end = typed('{"type":"response.output_item.done",' + ITEM % ("{}", "f"))
    stream = start + ARGUMENTS["responses"]("{}") + (done if named_by == "arguments.done" else end)
    for pieces in splits(stream + FINISH["responses"]):
        found = said("responses", *pieces)
        assert (found.named, found.finishes) == ([("f", "{}")], ["tool_calls"])


NAMELESS = {
    "chat": '{"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"","arguments":"{}"}}]},"finish_reason":"stop"}]}',  # noqa: E501
    "anthropic": '{"content":[{"type":"tool_use","id":"a","name":"","input":{}}],"stop_reason":"tool_use"}',  # noqa: E501
    "google": '{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]},"finishReason":"STOP"}]}',  # noqa: E501
    "responses": '{"status":"completed","output":[{"type":"function_call","call_id":"a","name":"","arguments":"{}"}]}',  # noqa: E501
}


@pytest.mark.parametrize("dialect", NAMELESS)
def test_a_whole_answer_with_a_nameless_call_is_malformed(dialect: str) -> None:
    with pytest.raises(Failed, match="without a name"):
        decode_whole(DIALECTS[dialect], loads(NAMELESS[dialect].encode()), Encoded("/x", {}))


@pytest.mark.parametrize("dialect", ["anthropic", "google", "responses"])
def test_a_stream_with_a_nameless_call_is_malformed(dialect: str) -> None:
    start = {
        "anthropic": CALL["anthropic"].replace(b'"name":"f"', b'"name":""'),
        "google": event(NAMELESS["google"]),
        "responses": CALL["responses"].replace(b'"name":"f"', b'"name":""'),
    }[dialect]
    found = said(dialect, start, FINISH[dialect], LAST[dialect])
    assert (found.failed, found.calls, found.finishes) == ("malformed", [], [])


# --- a choice that was not asked for --------------------------------------------------------------


@pytest.mark.parametrize("index", ["1", "-1", '"0"', "0.0", "true", "[0]", "99999999999999"])
def test_a_choice_that_was_not_asked_for_is_dropped_and_counted(index: str) -> None:
    other = chat('{"content":"x"}', index=index)
    stream = other + TEXT["chat"]("a") + other + FINISH["chat"] + LAST["chat"]
    for pieces in splits(stream):
        assert said("chat", *pieces).fields == {"content": "a"}
    decoder = DIALECTS["chat"].StreamDecoder(Encoded("/", {"n": 1}))
    for found in sse.Decoder().decode(stream):
        decoder.decode(found)
    assert decoder.unasked == 2
    body = (
        '{"choices":[{"index":%s,"message":{"content":"x"}},'  # noqa: UP031
        '{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}' % index
    )
    [choice] = decode_whole(DIALECTS["chat"], loads(body.encode()), Encoded("/x", {}))["choices"]
    assert (choice["index"], choice["message"]["content"]) == (0, "a")


def test_another_candidate_of_google_is_dropped() -> None:
    other = (
        '{"candidates":[{"index":1,"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}%s]}'
    )
    mine = ',{"index":0,"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}'
    assert said("google", event(other % ""), event(other % mine)).fields == {"content": "a"}
    chat_ = decode_whole(DIALECTS["google"], loads((other % mine).encode()), Encoded("/x", {}))
    assert chat_["choices"][0]["message"]["content"] == "a"


def test_an_answer_without_the_choice_that_was_asked_for_fails() -> None:
    body = b'{"choices":[{"index":1,"message":{"content":"x"}}]}'
    with pytest.raises(Failed, match="no choice that was asked for"):
        decode_whole(DIALECTS["chat"], loads(body), Encoded("/x", {}))


def test_arguments_behind_the_end_of_their_call_are_still_its_own() -> None:
    """Half a call must not be shown as a whole one; a server that ends it too early has said it all
    by the finish."""
    events = [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "t", "name": "f"},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"a"'},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": ":1}"},
        },
        {"type": "message_stop"},
    ]
    stream = b"".join(b"data: " + exact_json.dumps(event) + b"\n\n" for event in events)
    chunks = decode_stream(DIALECTS["anthropic"], [stream], Encoded("/", {}))
    calls = [
        call
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"a":1}'


# --- counts that are stated more than once --------------------------------------------------------


def test_google_s_last_counts_hold() -> None:
    """Recorded: 169 tokens of input in the first event, 79 in the last one."""
    first, last = (
        '{"candidates":[{"content":{"parts":[{"text":"Hi"}]}%s}],"usageMetadata":%s}' % each  # noqa: UP031
        for each in (
            ("", '{"promptTokenCount":169,"totalTokenCount":169}'),
            (
                ',"finishReason":"STOP"',
                '{"promptTokenCount":79,"candidatesTokenCount":12,"totalTokenCount":91}',
            ),
        )
    )
    usage = said("google", event(first) + event(last)).usage
    assert usage is not None
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (79, 12)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("Hi", 1)])
def test_an_answer_of_anthropic_that_says_nothing_has_no_tokens(text: str, tokens: int) -> None:
    """`message_start` counts one; the refusal that follows states 0."""
    stream = typed(
        '{"type":"message_start","message":{"usage":{"input_tokens":20,"output_tokens":1}}}'
    )
    stream += TEXT["anthropic"](text)
    stream += typed(
        '{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":0}}'
    )
    usage = said("anthropic", stream + LAST["anthropic"]).usage
    assert usage is not None
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (20, tokens)
