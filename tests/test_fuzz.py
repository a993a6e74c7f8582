"""Nonsense from both sides: whatever comes, the answer is an error or a right one, never an escaped
exception."""
# ruff: noqa: E501 -- strategies read better as tables

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.app import App
from gateway.config import schema
from gateway.config.load import build
from gateway.dialects import DIALECTS, Encoded
from gateway.failures import UNREADABLE, Failed
from gateway.hub.exact_json import parse_object as parse
from gateway.providers import PROVIDERS
from gateway.upstream.transport import Request
from tests.inbound.asgi import CHAT, ask_here
from tests.makers import IDS
from tests.upstream.fakes import JSON as JSON_TYPE
from tests.upstream.fakes import Response
from tests.upstream.test_every_cut import CASES, read, stream_of

FUZZ = settings(max_examples=40, deadline=None, derandomize=True)

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**40), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12), st.sampled_from(["user", "assistant", "tool", "text", "function", "data:image/png;base64,iVBO"]),
)  # fmt: skip
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def often(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what it should be, now and then anything."""
    return st.one_of(value, value, value, value, JSON)


def record(
    required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {key: often(value) for key, value in required.items()},
        optional={key: often(value) for key, value in optional.items()},
    )


NAMES = st.sampled_from(["f", "look_up", "a b", "ü", "", "x" * 80])
IDENTIFIERS = st.sampled_from(["call_1", "call_2", "toolu_1|fc_2", "é", "", "x" * 90])
PARTS = st.one_of(
    record({"type": st.just("text"), "text": st.text(max_size=8)}),
    record(
        {
            "type": st.just("image_url"),
            "image_url": record({"url": st.sampled_from(["data:,x", "http://x/y.png"])}),
        }
    ),
    record(
        {
            "type": st.just("file"),
            "file": record({}, file_data=st.just("data:application/pdf;base64,JVBERi0=")),
        }
    ),
    record(
        {
            "type": st.just("input_audio"),
            "input_audio": record({"data": st.just("UklG"), "format": st.just("wav")}),
        }
    ),
    record({"type": st.just("refusal"), "refusal": st.text(max_size=4)}),
)
CONTENT = st.one_of(st.text(max_size=12), st.lists(PARTS, max_size=3))
CALL = record(
    {"id": IDENTIFIERS, "type": st.just("function")},
    function=record({"name": NAMES}, arguments=st.sampled_from(["{}", '{"a":', "[]", ""])),
)
MESSAGE = st.one_of(
    record({"role": st.just("user"), "content": CONTENT}, name=NAMES),
    record({"role": st.sampled_from(["system", "developer"]), "content": CONTENT}),
    record({"role": st.just("assistant")}, content=CONTENT, tool_calls=st.lists(CALL, max_size=2),
           reasoning_content=st.text(max_size=4), reasoning_details=st.lists(record({"type": st.just("reasoning.text")}, text=st.text(max_size=3), signature=st.text(max_size=3)), max_size=2)),
    record({"role": st.just("tool"), "tool_call_id": IDENTIFIERS, "content": CONTENT}),
    record({"type": st.sampled_from(["function_call", "custom_tool_call"]), "call_id": IDENTIFIERS, "name": NAMES}, arguments=st.just("{}"), input=CONTENT),
    record({"type": st.just("function_call_output"), "call_id": IDENTIFIERS, "output": CONTENT}),
    record({"role": st.sampled_from(["user", "assistant", "tool"]), "content": st.lists(st.one_of(
        record({"type": st.just("tool_use"), "id": IDENTIFIERS, "name": NAMES, "input": JSON}),
        record({"type": st.just("tool_result"), "tool_use_id": IDENTIFIERS, "content": CONTENT}, is_error=st.booleans()),
        record({"type": st.sampled_from(["image", "document", "search_result"]), "source": record({"type": st.sampled_from(["url", "base64", "text", "content"])}, data=st.just("JVBERi0="), url=st.just("http://x/y"), content=CONTENT)}, title=NAMES),
        record({"type": st.sampled_from(["input_image", "input_file", "input_audio"])}, image_url=st.just("data:,x"), file_url=st.just("http://x/y"), data=st.just("UklG")),
    ), max_size=3)}),
)  # fmt: skip
TOOL = st.one_of(
    record(
        {
            "type": st.just("function"),
            "function": record({"name": NAMES}, parameters=JSON, strict=st.booleans()),
        }
    ),
    record(
        {"name": NAMES},
        input_schema=JSON,
        type=st.sampled_from(["custom", "function"]),
        format=JSON,
    ),
    record(
        {
            "type": st.sampled_from(
                ["web_search", "web_search_20250305", "code_interpreter", "builtin_function"]
            )
        },
        filters=JSON,
        name=NAMES,
        function=JSON,
    ),
    record({}, googleSearch=st.just({})),
)
BODIES = record(
    {"model": st.just("dev"), "messages": st.lists(MESSAGE, min_size=1, max_size=5)},
    stream=st.booleans(), tools=st.lists(TOOL, max_size=2), max_tokens=st.integers(1, 9999),
    temperature=st.floats(0, 2), stop=st.lists(st.text(max_size=3), max_size=5),
    tool_choice=st.one_of(st.sampled_from(["auto", "none", "required"]), record({"type": st.just("function"), "function": record({"name": NAMES})})),
    response_format=record({"type": st.sampled_from(["text", "json_object", "json_schema"])}, json_schema=record({"name": NAMES}, schema=JSON)),
    reasoning_effort=st.sampled_from(["none", "low", "high", "absurd"]), n=st.integers(1, 3), seed=st.integers(), logprobs=st.booleans(),
)  # fmt: skip
IDS_TOO = {**IDS, "openai-responses": "gpt-6-luna", "anthropic-old": "claude-3-7-sonnet"}


class Nonsense:
    """A provider that answers `{}`."""

    async def send(self, request: Request, timeout_s: float) -> Response:
        return Response(b"{}", headers=JSON_TYPE)

    async def aclose(self) -> None:
        pass


@pytest.fixture(scope="module")
def app() -> App:
    """A gateway with a model of every provider, all of which answer nonsense, whatever they are
    sent."""
    models = {
        name: schema.Model(provider=name.partition("-")[0], model=id_, base_url="http://nobody/v1")
        for name, id_ in IDS_TOO.items()
    }
    keys = {name: "test" for row in PROVIDERS.values() for name in row.env}
    root = schema.Root(
        models=models,
        fallback=schema.Fallback(max_wait_seconds=0),
        breaker=schema.Breaker(failures=10**9),
    )
    app = App(build(root, None, {}, None, []), env=keys, home=Path("/nonexistent"))
    app.use_transport(Nonsense())
    return app


@pytest.mark.parametrize("target", IDS_TOO)
@given(body=BODIES)
@FUZZ
def test_any_request_is_answered_or_refused(app: App, target: str, body: Any) -> None:
    sent = json.dumps({**body, "model": target} if isinstance(body, dict) else body).encode()
    answer = asyncio.run(ask_here(app, "POST", CHAT, [sent], {}))
    assert answer.status in (400, 502)
    assert answer.error["message"]
    assert answer.error["code"] != "internal_error"


@given(body=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
@FUZZ
def test_any_bytes_are_an_object_or_an_error(body: bytes) -> None:
    try:
        value: Any = parse(body)
    except Failed as failed:
        value = failed.failure
    assert isinstance(value, dict) or value.status == 400


@pytest.mark.parametrize(("dialect", "what"), CASES)
@given(data=st.data())
@FUZZ
def test_any_bytes_from_a_provider_are_an_answer_or_a_failure(
    dialect: str, what: str, data: st.DataObject
) -> None:
    stream = bytearray(stream_of(dialect, what))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(stream) - 1))
        stream[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    asyncio.run(read(dialect, bytes(stream)))


@pytest.mark.parametrize(("dialect", "what"), CASES)
@given(data=st.data())
@FUZZ
def test_any_event_from_a_provider_is_read_or_a_failure(
    dialect: str, what: str, data: st.DataObject
) -> None:
    """Whole JSON with a value replaced by any other."""
    events = stream_of(dialect, what).split(b"\n\n")
    place = data.draw(st.integers(0, len(events) - 1))
    head, found, text = events[place].rpartition(b"data: ")
    if found and text.startswith(b"{"):
        events[place] = head + found + orjson.dumps(changed(orjson.loads(text), data))
    asyncio.run(read(dialect, b"\n\n".join(events)))


@pytest.mark.parametrize("dialect", list(DIALECTS))
@given(body=JSON, status=st.sampled_from([200, 400, 401, 404, 429, 500, 529]))
@FUZZ
def test_any_error_is_classified(dialect: str, body: Any, status: int) -> None:
    for data in (
        orjson.dumps(body),
        orjson.dumps({"error": body}),
        str(body).encode("utf-8", "replace"),
    ):
        assert DIALECTS[dialect].decode_error(status, {}, data, 0.0).kind


@pytest.mark.parametrize("dialect", list(DIALECTS))
@given(
    body=st.dictionaries(
        st.sampled_from(["choices", "content", "candidates", "output", "usage", "model"]), JSON
    )
)
@FUZZ
def test_any_whole_answer_is_read_or_refused(dialect: str, body: Any) -> None:
    try:
        DIALECTS[dialect].decode_response(body, Encoded("/x", {}))
    except (Failed, *UNREADABLE):
        pass


def changed(value: Any, data: st.DataObject) -> Any:
    """`value` with one of the values inside it replaced."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 4)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: changed(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 4)):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], changed(value[place], data), *value[place + 1 :]]
    return data.draw(JSON)
