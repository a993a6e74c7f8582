"""One attempt: what is sent, what each answer means, and that every response is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
import pytest

from gateway.credentials.secret import CredentialError
from gateway.credentials.signing import Unsigned
from gateway.failures import Failed, Failure, Kind
from gateway.hub import exact_json
from gateway.shared.replay import Replay
from gateway.text.trace_context import Trace
from gateway.types import Agent, Attempt, Model, Reply, Timeouts
from gateway.upstream.client import UpstreamClient
from gateway.upstream.transport import Trouble
from tests.makers import Clock, call, model
from tests.upstream.fakes import EVENTS, JSON, Response, Transport

CUSTOM = model(
    "custom", base_url="http://test/v1", timeouts=Timeouts(connect_s=1, first_token_s=2, answer_s=3)
)
SONNET = model("anthropic", headers={"X-Team": "one", "anthropic-beta": "mine"})


def answer(content: str | None = "Hello", **more: Any) -> bytes:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "finish_reason": "stop",
    }
    return orjson.dumps({"model": "served", "choices": [choice], **more})


def error(
    message: str, status: int = 400, headers: Mapping[str, str] = JSON, **more: Any
) -> Response:
    body = {
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": None,
            **more,
        }
    }
    return Response(orjson.dumps(body), status=status, headers=headers)


def whole(*pieces: bytes, **headers: str) -> Response:
    return Response(*(pieces or (answer(),)), headers={**JSON, **headers})


def sign(model: Model, request: Unsigned) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"x-api-key", b"secret"),)


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


class Trying:
    """A client over scripted answers, and one attempt."""

    def __init__(self, *answers: Response | Trouble, chosen: Model = CUSTOM, **fields: Any) -> None:
        self.transport = Transport(*answers)
        self.responses = [response for response in answers if isinstance(response, Response)]
        self.clock = Clock()
        self.replay = Replay()
        self.sign = sign
        self.call = call(chosen, received_at=self.clock.now, **fields)
        self.attempt = Attempt(chosen, 1, started_at=self.clock.now)

    async def open(self) -> Reply:
        client = UpstreamClient(
            lambda model: self.transport,
            self.sign,
            self.replay,
            clock=self.clock,
            wall=Clock(1_800_000_000.0),
            user_agent="local-agent-gateway/test",
        )
        return await client.open(self.attempt, self.call)

    async def failure(self) -> Failure:
        with pytest.raises(Failed) as raised:
            await self.open()
        return raised.value.failure

    def sent(self, number: int = 0) -> dict[str, Any]:
        return dict(orjson.loads(self.transport.requests[number].body))

    @property
    def are_closed(self) -> bool:
        return all(response.closed for response in self.responses)


# --- what is sent ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_request_of_each_kind() -> None:
    trying = Trying(whole())
    await trying.open()
    [request] = trying.transport.requests
    assert (request.method, request.url, request.connect_s) == (
        "POST",
        "http://test/v1/chat/completions",
        1,
    )
    assert trying.transport.waits == [3]
    headers = dict(request.headers)
    assert headers[b"user-agent"] == b"local-agent-gateway/test"
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"accept"] == b"application/json"
    assert headers[b"x-api-key"] == b"secret"
    assert trying.sent()["model"] == "qwen3:32b"


@pytest.mark.anyio
async def test_a_stream_is_asked_for_and_waited_for_otherwise() -> None:
    trying = Trying(Response(b"data: " + answer() + b"\n\n"), stream=True)
    await trying.open()
    assert dict(trying.transport.requests[0].headers)[b"accept"] == b"text/event-stream"
    assert trying.transport.waits == [2]
    assert trying.sent()["stream"] is True


@pytest.mark.anyio
async def test_headers_of_the_provider_the_dialect_the_signature_and_the_user() -> None:
    trying = Trying(error("no", 500), chosen=SONNET)
    await trying.failure()
    headers = trying.transport.requests[0].headers
    names = [name for name, _ in headers]
    assert len(names) == len(set(names)), "no header is sent twice"
    found = dict(headers)
    assert found[b"anthropic-version"] == b"2023-06-01"
    assert found[b"x-team"] == b"one"
    assert found[b"anthropic-beta"].split(b",")[-1] == b"mine"


@pytest.mark.anyio
@pytest.mark.parametrize("propagates", [False, True])
async def test_a_provider_is_sent_the_trace_only_if_configured(propagates: bool) -> None:
    trying = Trying(error("no", 500))
    trying.call.trace = Trace("a" * 32, 0x10, flags=1, state="a=1", propagates=propagates)
    await trying.failure()
    found = {
        name: value
        for name, value in trying.transport.requests[0].more
        if name.startswith(b"trace")
    }
    sent = {b"traceparent": f"00-{'a' * 32}-{'11':0>16}-01".encode(), b"tracestate": b"a=1"}
    assert found == (sent if propagates else {})


@pytest.mark.anyio
async def test_an_attempt_knows_which_model_answered() -> None:
    trying = Trying(whole())
    await trying.open()
    assert trying.attempt.response_model == "served"


@pytest.mark.anyio
@pytest.mark.parametrize("value", [10**20, -(2**63) - 1, deep(300)])
async def test_any_integer_and_many_levels_are_sent_as_they_are(value: Any) -> None:
    trying = Trying(whole(), x_new=value)
    await trying.open()
    assert exact_json.loads(trying.transport.requests[0].body)["x_new"] == value


@pytest.mark.anyio
async def test_endless_nesting_is_the_clients_own_error() -> None:
    trying = Trying(whole(), x_new=deep(100_000))
    failure = await trying.failure()
    assert (failure.kind, failure.status) == (Kind.INVALID_REQUEST, 400)
    assert trying.transport.requests == []


@pytest.mark.anyio
async def test_stored_reasoning_is_sent_along() -> None:
    tool_call = {
        "id": "call_aaaa",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [tool_call]},
        {"role": "tool", "tool_call_id": "call_aaaa", "content": "x"},
    ]
    thinks = model("openrouter", base_url="http://test/v1")
    trying = Trying(whole(), chosen=thinks, messages=messages)
    trying.replay.put(
        "tests", {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, tool_call
    )
    await trying.open()
    assert trying.sent()["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm"}
    ]


# --- good answers ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_whole_answer() -> None:
    trying = Trying(
        whole(
            answer(usage={"prompt_tokens": 3, "completion_tokens": 4}), **{"x-request-id": "req_9"}
        )
    )
    reply = await trying.open()
    assert reply.chat is not None
    assert reply.chat["choices"][0]["message"]["content"] == "Hello"
    assert reply.model == "served"
    attempt = trying.attempt
    assert attempt.upstream_request_id == "req_9"
    assert (attempt.sent_at, attempt.committed_at) == (1000, 1000)
    assert attempt.usage is not None
    assert (attempt.usage.input, attempt.usage.output, attempt.finish_reason) == (3, 4, "stop")
    assert trying.are_closed


@pytest.mark.anyio
async def test_a_stream_is_committed_with_its_first_content_and_stays_open() -> None:
    chunk = {
        "model": "served",
        "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}],
    }
    trying = Trying(Response(b"data: " + orjson.dumps(chunk) + b"\n\n"), stream=True)
    reply = await trying.open()
    assert reply.chunks is not None
    assert reply.model == "served"
    assert trying.attempt.committed_at == 1000
    assert not trying.are_closed


@pytest.mark.anyio
async def test_an_answer_without_a_model_has_the_one_that_was_asked() -> None:
    body = orjson.loads(answer())
    del body["model"]
    assert (await Trying(whole(orjson.dumps(body))).open()).model == "qwen3:32b"


@pytest.mark.anyio
async def test_no_remaining_quota_is_read_from_a_good_answer() -> None:
    reply = await Trying(
        whole(**{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12s"})
    ).open()
    assert reply.empty_for_s == 12


# --- answers that say nothing ---------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_answer_without_content_is_a_failure() -> None:
    trying = Trying(whole(answer("")))
    assert (await trying.failure()).kind is Kind.EMPTY
    assert trying.attempt.committed_at is None
    assert trying.are_closed


@pytest.mark.anyio
async def test_a_stream_without_content_is_a_failure_and_its_tokens_are_counted() -> None:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    count = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    pieces = [b"data: " + orjson.dumps(body) + b"\n\n" for body in (end, count)]
    trying = Trying(Response(*pieces, b"data: [DONE]\n\n"), stream=True)
    assert (await trying.failure()).kind is Kind.EMPTY
    assert trying.attempt.usage is not None
    assert (trying.attempt.usage.input, trying.attempt.finish_reason) == (3, "stop")
    assert trying.are_closed


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.INVALID_REQUEST),
        (401, Kind.CREDENTIAL),
        (402, Kind.QUOTA),
        (403, Kind.REQUEST_DENIED),  # "no" says nothing about the key
        (404, Kind.REQUEST_DENIED),  # nor about the model
        (413, Kind.TOO_LARGE),
        (422, Kind.INVALID_REQUEST),
        (429, Kind.RATE_LIMIT),
        (500, Kind.UNAVAILABLE),
        (503, Kind.OVERLOADED),
        (529, Kind.OVERLOADED),
        (302, Kind.UNAVAILABLE),
        (204, Kind.UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_answer_is_a_failure(status: int, kind: Kind, stream: bool) -> None:
    trying = Trying(error("no", status), stream=stream)
    failure = await trying.failure()
    assert (failure.kind, failure.status) == (kind, status)
    assert trying.are_closed


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        b'{"detail": [{"loc": null}]}',
        b'{"detail": [{"loc": 7}]}',
        b'{"error": {"code": "\xc2\xb2"}}',  # a digit to Python, and no number
        b'{"message":' * 900 + b"1" + b"}" * 900,
    ],
)
async def test_an_error_of_an_unknown_form_is_a_failure(body: bytes) -> None:
    trying = Trying(Response(body, status=422, headers=JSON))
    assert (await trying.failure()).status == 422
    assert trying.are_closed


@pytest.mark.anyio
async def test_an_error_whose_body_breaks_off_keeps_its_status_and_its_headers() -> None:
    response = Response(b'{"err', "reset", status=429, headers={**JSON, "retry-after": "7"})
    failure = await Trying(response).failure()
    assert (failure.kind, failure.status, failure.retry_after_s) == (Kind.RATE_LIMIT, 429, 7)
    assert response.closed


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("trouble", "kind"),
    [("connect", Kind.UNAVAILABLE), ("timeout", Kind.TIMEOUT), ("protocol", Kind.MALFORMED)],
)
async def test_an_error_of_the_connection_before_the_answer(trouble: Trouble, kind: Kind) -> None:
    assert (await Trying(trouble).failure()).kind is kind


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_of_the_connection_inside_the_answer(stream: bool) -> None:
    trying = Trying(Response(b"{", "reset", headers=EVENTS if stream else JSON), stream=stream)
    assert (await trying.failure()).kind is Kind.UNAVAILABLE
    assert trying.are_closed


@pytest.mark.anyio
@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"{}", b'{"choices": [{"message": 1}]}'])
async def test_an_invalid_answer_is_a_failure(body: bytes) -> None:
    trying = Trying(whole(body))
    assert (await trying.failure()).kind in (Kind.MALFORMED, Kind.EMPTY)
    assert trying.are_closed


@pytest.mark.anyio
async def test_without_a_key_nothing_is_sent() -> None:
    trying = Trying(whole())

    def no_key(model: Model, request: Unsigned) -> tuple[tuple[bytes, bytes], ...]:
        raise CredentialError("the file is empty")

    trying.sign = no_key
    failure = await trying.failure()
    assert (failure.kind, failure.status) == (Kind.CREDENTIAL, None)
    assert trying.transport.requests == []


@pytest.mark.anyio
async def test_fields_a_model_cannot_take_are_named_or_refused() -> None:
    trying = Trying(whole(), metadata={"a": "b"})
    await trying.open()
    assert trying.attempt.dropped == ("metadata",)
    strict = Trying(whole(), metadata={"a": "b"})
    strict.call.agent = Agent("dev", (CUSTOM,), unsupported="reject")
    failure = await strict.failure()
    assert (failure.kind, failure.param) == (Kind.UNSUPPORTED, "metadata")
    assert strict.transport.requests == []


# --- fields that a model refuses by name ----------------------------------------------------------


def client_of(trying: Trying) -> UpstreamClient:
    """A client that several calls share."""
    clock = trying.clock
    return UpstreamClient(
        lambda model: trying.transport, sign, Replay(), clock=clock, wall=clock, user_agent="x"
    )


async def learning(
    refusal: Response, chosen: Model = CUSTOM, **fields: Any
) -> tuple[list[dict[str, Any]], list[Any]]:
    """(the bodies of three requests of two calls, the first of which is refused; the fields that
    each call lost)."""
    trying = Trying(refusal, whole(), whole(), chosen=chosen, **fields)
    client = client_of(trying)
    for attempt in (trying.attempt, again := Attempt(chosen, 1)):
        await client.open(attempt, trying.call)
    assert trying.are_closed
    return [trying.sent(number) for number in range(3)], [trying.attempt.dropped, again.dropped]


@pytest.mark.anyio
async def test_a_field_refused_by_name_is_left_out_and_remembered() -> None:
    refusal = error(
        "Unsupported parameter: 'top_k' is not supported",
        param="top_k",
        code="unsupported_parameter",
    )
    sent, dropped = await learning(refusal, top_k=5)
    assert ["top_k" in body for body in sent] == [True, False, False]
    assert dropped == [("top_k",), ("top_k",)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("second", "remembered"),
    [("unsupported parameter: 'top_k'", False), ("unsupported parameter: 'seed'", True)],
)
async def test_a_field_is_remembered_only_if_its_absence_changes_the_answer(
    second: str, remembered: bool
) -> None:
    """A provider that quotes a client's value says nothing about the fields named in it."""
    first = error("Invalid value: 'unsupported parameter: 'top_k''")
    trying = Trying(first, error(second), whole(), top_k=5, seed=1)
    client = client_of(trying)
    with pytest.raises(Failed):
        await client.open(trying.attempt, trying.call)
    await client.open(Attempt(CUSTOM, 1), trying.call)
    assert ["top_k" in trying.sent(number) for number in range(3)] == [True, False, not remembered]


@pytest.mark.anyio
async def test_no_more_is_left_out_than_was_refused() -> None:
    """Accounts that have not been verified are refused summaries, and keep the effort all the
    same."""

    def refusal() -> Response:
        words = "Your organization must be verified to generate reasoning summaries."
        return error(words, param="think.summary", code="unsupported_value")

    sent, dropped = await learning(refusal(), think={"effort": "high", "summary": "auto"})
    assert [body["think"] for body in sent[1:]] == [{"effort": "high"}] * 2
    assert dropped == [("think.summary",)] * 2
    sent, _ = await learning(refusal(), think={"summary": "auto"})
    assert ["think" in body for body in sent] == [True, False, False]


@pytest.mark.anyio
@pytest.mark.parametrize("field", ["response_format", "tool_choice", "logprobs"])
async def test_what_the_clients_code_relies_on_is_not_left_out(field: str) -> None:
    fields = {
        "response_format": {"type": "json_object"},
        "tool_choice": "required",
        "logprobs": True,
    }
    tools = [{"type": "function", "function": {"name": "f"}}]
    chosen = model("openai", base_url="http://test/v1")
    trying = Trying(
        error("'oneOf' is not permitted.", param=field), chosen=chosen, tools=tools, **fields
    )
    assert (await trying.failure()).kind is Kind.INVALID_REQUEST
    assert len(trying.transport.requests) == 1


@pytest.mark.anyio
async def test_a_refusal_that_cannot_be_fixed_moves_on_to_the_next_model() -> None:
    trying = Trying(
        error("Not with this model.", param="messages[0].role", code="unsupported_value")
    )
    assert (await trying.failure()).kind is Kind.UNSUPPORTED


@pytest.mark.anyio
async def test_a_refused_level_is_left_out_once_and_the_next_one_is_sent() -> None:
    refusal = error("Reasoning is mandatory for this endpoint and cannot be disabled.")
    trying = Trying(refusal, whole(), whole(), reasoning_effort="none")
    client = UpstreamClient(
        lambda model: trying.transport,
        sign,
        Replay(),
        clock=trying.clock,
        wall=trying.clock,
        user_agent="x",
    )
    chosen = model("openrouter", base_url="http://test/v1")

    await client.open(Attempt(chosen, 1), trying.call)
    trying.call.chat["reasoning_effort"] = "high"
    await client.open(Attempt(chosen, 1), trying.call)
    levels = [trying.sent(number).get("reasoning") for number in range(3)]
    assert levels == [{"effort": "none"}, None, {"effort": "high"}]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("'messages' is not supported", "messages"),
        ("top_k must be at most 3", "top_k"),
        ("unsupported value", "elsewhere"),
        ("unsupported", None),
    ],
)
async def test_any_other_refusal_is_the_clients_own_error(message: str, param: str | None) -> None:
    trying = Trying(error(message, param=param), top_k=5)
    failure = await trying.failure()
    assert (failure.kind, failure.param) == (Kind.INVALID_REQUEST, param)
    assert len(trying.transport.requests) == 1


@pytest.mark.anyio
async def test_a_field_of_the_operators_is_not_left_out() -> None:
    chosen = model("custom", base_url="http://test/v1", options={"top_k": 5})
    trying = Trying(error("unsupported: top_k", param="top_k"), chosen=chosen)
    assert (await trying.failure()).kind is Kind.INVALID_REQUEST
    assert len(trying.transport.requests) == 1


@pytest.mark.anyio
async def test_a_field_inside_a_field_goes_alone() -> None:
    """A client that wants a schema does not lose it because the model refuses an effort."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    refusal = error("This model does not support effort level 'max'.")
    message = {
        "type": "message",
        "content": [{"type": "text", "text": "{}"}],
        "stop_reason": "end_turn",
    }
    trying = Trying(
        refusal,
        whole(orjson.dumps(message)),
        chosen=SONNET,
        reasoning_effort="max",
        response_format=form,
    )
    await trying.open()
    first, second = trying.sent(0)["output_config"], trying.sent(1)["output_config"]
    assert (sorted(first), sorted(second)) == (["effort", "format"], ["format"])
    assert trying.attempt.dropped == ("output_config.effort",)


# --- reasoning of earlier turns -------------------------------------------------------------------

THOUGHT = {
    "id": "anthropic:0",
    "type": "reasoning.text",
    "text": "hm",
    "signature": "c2ln",
    "index": 0,
}
HISTORY = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello", "reasoning_details": [THOUGHT]},
    {"role": "user", "content": "And?"},
]


@pytest.mark.anyio
async def test_reasoning_that_is_refused_is_left_out_for_this_call() -> None:
    """Another account signed it, or the client has changed what is before it."""
    refusal = error("messages.1.content.0: Invalid `signature` in `thinking` block")
    message = {
        "type": "message",
        "content": [{"type": "text", "text": "Yes"}],
        "stop_reason": "end_turn",
    }
    trying = Trying(refusal, whole(orjson.dumps(message)), chosen=SONNET, messages=HISTORY)
    await trying.open()
    kinds = [
        [block["type"] for block in trying.sent(number)["messages"][1]["content"]]
        for number in (0, 1)
    ]
    assert kinds == [["thinking", "text"], ["text"]]
    assert trying.attempt.dropped == ("messages.reasoning_details",)
    assert trying.are_closed


@pytest.mark.anyio
async def test_a_refusal_of_reasoning_that_was_not_sent_is_not_repeated() -> None:
    trying = Trying(error("Invalid `signature` in `thinking` block"), chosen=SONNET)
    assert (await trying.failure()).kind is Kind.INVALID_REQUEST
    assert len(trying.transport.requests) == 1


class Silent(Response):
    """Says what it has to say, then nothing more, and does not end."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.is_silent = asyncio.Event()

    async def receive(self, timeout_s: float) -> bytes:
        if not self._pieces:
            self.is_silent.set()
            await asyncio.Event().wait()
        return await super().receive(timeout_s)


@pytest.mark.anyio
async def test_a_client_that_leaves_an_empty_answer_leaves_no_connection_behind() -> None:
    """While its token counts are waited for, before the next model is asked."""
    silent = Silent(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
    task = asyncio.create_task(Trying(silent, stream=True).open())
    await silent.is_silent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert silent.closed


# --- addresses, dates and the other API -----------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "trouble", ["connect", "dns", "tls", "timeout", "reset", "protocol", "too_large"]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_of_the_connection_hides_the_address(trouble: Trouble, stream: bool) -> None:
    failure = await Trying(trouble, stream=stream).failure()
    assert "test" not in failure.message
    assert failure.detail is not None


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_that_quotes_the_base_url_is_shown_without_it(stream: bool) -> None:
    chosen = model("custom", base_url="http://10.1.2.3:9000/v1")
    words = "Post http://10.1.2.3:9000/v1/chat/completions: no route to 10.1.2.3:9000"
    outside = Trying(error(words, 502), chosen=chosen, stream=stream)
    assert "10.1.2.3" not in (await outside.failure()).message
    inside = Response(b"data: " + orjson.dumps({"error": {"message": words}}) + b"\n\n")
    assert "10.1.2.3" not in (await Trying(inside, chosen=chosen, stream=True).failure()).message


@pytest.mark.anyio
async def test_a_date_inside_an_answer_is_counted_from_the_clients_clock() -> None:
    body = {"error": {"code": 429, "message": "later", "resets_at": 1_800_000_060}}
    response = Response(b"data: " + orjson.dumps(body) + b"\n\n")
    failure = await Trying(response, stream=True).failure()
    assert (failure.kind, failure.retry_after_s) == (Kind.RATE_LIMIT, 60)
    words = {"error": {"code": 429, "message": "resets at 2027-01-15 08:01:00"}}
    response = Response(b"data: " + orjson.dumps(words) + b"\n\n")
    failure = await Trying(response, stream=True).failure()
    assert failure.retry_after_s == 60


NEW = model("openai", "new-model")
NAMING = "This model is only supported in v1/responses and not in v1/chat/completions."
UNKNOWN = "The model `new` does not exist or you do not have access to it."
TOOLS = [
    {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
    }
]
RESPONSE = orjson.dumps(
    {
        "status": "completed",
        "model": "new",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
    }
)


async def paths(*answers: Response, calls: int, **fields: Any) -> list[str]:
    """What a model that no table knows is asked on, in so many calls."""
    trying = Trying(*answers, chosen=NEW, **fields)
    client = client_of(trying)
    for _ in range(calls):
        with suppress(Failed):
            await client.open(Attempt(NEW, 1, started_at=trying.clock.now), trying.call)
    return [request.url.rpartition("/v1/")[2] for request in trying.transport.requests]


@pytest.mark.anyio
async def test_a_model_that_one_api_does_not_know_is_asked_for_on_the_other_one() -> None:
    there = await paths(
        error(UNKNOWN, 404, code="model_not_found"), whole(), whole(), calls=2, tools=TOOLS
    )
    assert there == ["responses", "chat/completions", "chat/completions"]
    back = await paths(error(NAMING, 404), whole(RESPONSE), whole(RESPONSE), calls=2)
    assert back == ["chat/completions", "responses", "responses"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("words", "second", "kind"),
    [
        (UNKNOWN, ("Unknown parameter: 'x'.", 400), Kind.MODEL_UNKNOWN),
        (NAMING, ("Unknown parameter: 'x'.", 400), Kind.TRANSLATION_REFUSED),
        (NAMING, (UNKNOWN, 404), Kind.MODEL_UNKNOWN),
    ],
)
async def test_the_first_api_has_the_last_word_unless_it_names_the_other(
    words: str, second: tuple[str, int], kind: Kind
) -> None:
    trying = Trying(error(words, 404, code="model_not_found"), error(*second), chosen=NEW)
    assert (await trying.failure()).kind is kind
    assert len(trying.transport.requests) == 2


@pytest.mark.anyio
async def test_a_model_that_neither_api_knows_is_unknown() -> None:
    missing = [error(UNKNOWN, 404, code="model_not_found") for _ in range(4)]
    assert await paths(*missing[:2], calls=1, tools=TOOLS) == ["responses", "chat/completions"]
    again = Trying(*missing[2:], chosen=NEW, tools=TOOLS)
    assert (await again.failure()).kind is Kind.MODEL_UNKNOWN
