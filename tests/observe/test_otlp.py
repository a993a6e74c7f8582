"""What is exported of a call: read with the official protocol buffers, named as the published
conventions say."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Final

import opentelemetry.semconv._incubating.attributes as incubating
import opentelemetry.semconv.attributes as stable
import orjson
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import (
    GenAiOperationNameValues,
    GenAiProviderNameValues,
)
from opentelemetry.semconv.schemas import Schemas

from gateway.failures import Failure, Kind
from gateway.observe.otlp import CHARS_MAX, SCHEMA_URL, export_request, record
from gateway.providers import PROVIDERS
from gateway.text.trace_context import Trace
from gateway.types import Attempt, Call, Usage
from tests.makers import call, model
from tests.observe import otlp_json

TRACE: Final = Trace(
    "4bf92f3577b34da6a3ce929d0e0e4736", 0x100, "00f067aa0ba902b7", 1, "a=1", "/v1/chat/completions"
)
OFFSET_NS: Final = 1_700_000_000_000_000_000
RESOURCE: Final = {"service.name": "gateway", "service.version": "1", "service.instance.id": "x"}
SONNET, LOCAL = model(name="sonnet"), model("custom", name="local")
LIMITED: Final = Failure(
    Kind.RATE_LIMIT, "secret prompt words", status=429, detail="more secret words"
)
CUT: Final = Failure(Kind.TRUNCATED, "cut")
USAGE: Final = Usage(input=100, output=20, cache_read=70, cache_write=5, reasoning=8, cost=0.25)


def answered(**fields: Any) -> Call:
    """A call that fell back once, waited once and was served."""
    made = call(SONNET, LOCAL, received_at=100.0, stream=True, **fields)
    made.trace = TRACE
    failed = Attempt(
        SONNET,
        1,
        started_at=100.125,
        sent_at=100.25,
        ended_at=101.0,
        failure=LIMITED,
        cooldown_s=60.0,
    )
    served = Attempt(
        LOCAL, 2, started_at=103.0, sent_at=103.0, committed_at=103.5, ended_at=105.0, usage=USAGE
    )
    served.response_model, served.finish_reason, served.upstream_request_id = (
        "qwen3-32b-q4",
        "stop",
        "up_1",
    )
    made.attempts, made.pauses = [failed, served], ((101.0, 103.0),)
    return made


def exported(
    made: Call, status: int = 200, seconds: float = 5.0, trace: Trace = TRACE
) -> list[Span]:
    found = record(made, trace, status, seconds)
    return otlp_json.spans(orjson.dumps(export_request([found], RESOURCE, "1", OFFSET_NS)))


def test_one_server_span_per_call_and_one_client_span_per_attempt() -> None:
    server, first, second = exported(answered())
    assert server.kind == Span.SPAN_KIND_SERVER
    assert (first.kind, second.kind) == (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_CLIENT)
    assert [span.name for span in (server, first, second)] == [
        "POST /v1/chat/completions",
        "chat claude-sonnet-5",
        "chat qwen3:32b",
    ]


def test_parents_and_ids() -> None:
    server, *attempts = exported(answered())
    assert {span.trace_id.hex() for span in (server, *attempts)} == {TRACE.trace_id}
    assert server.parent_span_id.hex() == TRACE.parent_id
    assert server.span_id.hex() == TRACE.span()
    assert [span.parent_span_id for span in attempts] == [server.span_id] * 2
    assert [span.span_id.hex() for span in attempts] == [TRACE.span(1), TRACE.span(2)]
    assert {span.trace_state for span in (server, *attempts)} == {"a=1"}
    assert (server.flags, attempts[0].flags) == (0x301, 0x101)


def test_a_trace_that_begins_here_has_no_parent() -> None:
    server, *_ = exported(answered(), trace=TRACE._replace(parent_id="", state=""))
    assert server.parent_span_id == b""
    assert server.flags == 0x101


def test_times_are_those_of_the_wall_clock() -> None:
    server, first, second = exported(answered())
    begin = OFFSET_NS + 100_000_000_000
    assert (server.start_time_unix_nano, server.end_time_unix_nano) == (
        begin,
        begin + 5_000_000_000,
    )
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (
        begin + 125_000_000,
        begin + 1_000_000_000,
    )
    (wait,) = server.events
    assert (wait.name, wait.time_unix_nano) == ("gateway.wait", begin + 1_000_000_000)
    assert otlp_json.attributes(wait.attributes) == {"gateway.wait.duration": 2.0}
    (token,) = second.events
    assert (token.name, token.time_unix_nano) == ("gateway.first_token", begin + 3_500_000_000)
    assert not first.events


def test_a_failed_attempt_is_an_error_and_the_call_that_was_served_is_none() -> None:
    server, first, second = exported(answered())
    assert first.status.code == Status.STATUS_CODE_ERROR
    assert first.status.message == "429 rate limit"
    about = otlp_json.attributes(first.attributes)
    assert (about["error.type"], about["http.response.status_code"]) == ("rate_limit", 429)
    assert about["gateway.cooldown"] == 60.0
    for span in (server, second):
        assert span.status.code == Status.STATUS_CODE_UNSET
        assert "error.type" not in otlp_json.attributes(span.attributes)


def test_the_attributes_of_an_attempt() -> None:
    _, _, second = exported(answered(temperature=0.5, max_tokens=100, seed=7, n=1))
    assert otlp_json.attributes(second.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "custom",
        "gen_ai.request.model": "qwen3:32b",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 1,
        "gen_ai.response.model": "qwen3-32b-q4",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 70,
        "gen_ai.usage.cache_creation.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 8,
        "gateway.cost": 0.25,
        "server.address": "127.0.0.1",
        "server.port": 9,
        "http.response.status_code": 200,
        "gateway.model": "local",
        "gateway.attempt": 2,
        "gateway.upstream_request_id": "up_1",
    }


def test_the_attributes_of_the_call() -> None:
    server, *_ = exported(answered())
    assert otlp_json.attributes(server.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.name": "dev",
        "gateway.request_id": "req_1",
        "gateway.client": "tests",
        "gateway.attempts": 2,
    }


def only(attempt: Attempt) -> Call:
    made = call(LOCAL, received_at=100.0, stream=True)
    made.attempts = [attempt]
    return made


@pytest.mark.parametrize(
    ("made", "status", "http", "error"),
    [
        (call(SONNET), 429, 429, None),
        (call(SONNET), 400, 400, None),
        (call(SONNET), 499, 499, None),
        (call(SONNET), 503, 503, "503"),
        (only(Attempt(LOCAL, 1, committed_at=101.0, failure=CUT)), 502, 200, "truncated"),
        (only(Attempt(LOCAL, 1, committed_at=101.0, failure=CUT)), 499, 499, "truncated"),
        (only(Attempt(LOCAL, 1, failure=CUT)), 502, 502, "502"),
    ],
)
def test_how_a_call_ended(made: Call, status: int, http: int, error: str | None) -> None:
    server = exported(made, status)[0]
    about = otlp_json.attributes(server.attributes)
    assert about["http.response.status_code"] == http
    assert about.get("error.type") == error
    assert server.status.code == (Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET)


def test_an_attempt_whose_client_left_is_cancelled_and_ends_with_the_call() -> None:
    _, attempt = exported(only(Attempt(LOCAL, 1, started_at=100.5)), 499, 2.0)
    assert otlp_json.attributes(attempt.attributes)["error.type"] == "cancelled"
    assert attempt.status.code == Status.STATUS_CODE_ERROR
    assert attempt.end_time_unix_nano == OFFSET_NS + 102_000_000_000


def test_an_answer_that_is_not_streamed_has_no_first_token() -> None:
    made = call(LOCAL, received_at=100.0)
    made.attempts = [
        Attempt(LOCAL, 1, started_at=100.0, sent_at=100.0, committed_at=101.0, ended_at=101.0)
    ]
    _, attempt = exported(made)
    assert not attempt.events
    assert "gen_ai.response.time_to_first_chunk" not in otlp_json.attributes(attempt.attributes)


SECRETS: Final = {
    "messages": [{"role": "user", "content": "secret words"}],
    "stop": ["secret words"],
    "user": "secret words",
    "metadata": {"a": "secret words"},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "secret-words", "schema": {}},
    },
}


def test_no_word_of_a_prompt_an_answer_or_an_error_is_exported() -> None:
    made = answered()
    made.chat.update(SECRETS)
    found = record(made, TRACE, 200, 5.0)
    assert b"secret" not in orjson.dumps(export_request([found], RESOURCE, "1", OFFSET_NS))
    assert "secret" not in repr(found.numbers)


@pytest.mark.parametrize(
    "value", [True, "0.5", [1], {}, None, float("inf"), 1 << 63, -(1 << 64), 1 << 70]
)
@pytest.mark.parametrize("field", ["max_tokens", "seed", "n"])
def test_a_number_that_otlp_cannot_hold_is_left_out(field: str, value: Any) -> None:
    made = answered()
    made.chat[field] = value
    assert record(made, TRACE, 200, 1.0).numbers == {}
    exported(made)


@pytest.mark.parametrize(
    "value", [True, "0.5", [1], {}, None, float("nan"), float("-inf"), 1 << 2000]
)
def test_a_sampling_parameter_that_is_not_a_number_is_left_out(value: Any) -> None:
    made = answered()
    made.chat["temperature"] = value
    assert record(made, TRACE, 200, 1.0).numbers == {}


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("https://api.example.com/v1", ("api.example.com", 443)),
        ("http://[::1]:8000/v1", ("::1", 8000)),
        ("https://example.com/key/canary/v1", ("example.com", 443)),
        ("https://sk-canary123456789.example.com/v1", (None, None)),
        ("https://user:canary@example.com/v1", (None, None)),
        ("nonsense", (None, None)),
    ],
)
def test_the_address_of_a_server_without_its_secrets(
    base_url: str, address: tuple[Any, Any]
) -> None:
    found = exported(only(Attempt(model("custom", base_url=base_url), 1)))[1]
    about = otlp_json.attributes(found.attributes)
    assert (about.get("server.address"), about.get("server.port")) == address
    assert "canary" not in str(about)


def test_other_peoples_words_are_cut_and_need_not_be_unicode() -> None:
    attempt = Attempt(LOCAL, 1, committed_at=101.0)
    attempt.response_model, attempt.finish_reason = "\ud83d" + "x" * 10_000, "\udc00"
    about = otlp_json.attributes(exported(only(attempt))[1].attributes)
    assert about["gen_ai.response.model"] == "?" + "x" * (CHARS_MAX - 1)
    assert about["gen_ai.response.finish_reasons"] == ["?"]


# --- the published conventions --------------------------------------------------------------------


def published() -> set[str]:
    """Every attribute of the conventions that is not deprecated."""
    names = set()
    for package in (stable, incubating):
        for each in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(each.name)
            names |= {
                value
                for key, value in vars(module).items()
                if key.isupper() and isinstance(value, str)
            }
    return names - {"gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"}


def test_every_name_is_a_published_one_or_our_own() -> None:
    made = answered(
        **dict.fromkeys(("temperature", "top_p", "frequency_penalty", "presence_penalty"), 0.5)
    )
    made.chat.update(top_k=3, max_tokens=1, n=2, seed=1)
    failed = exported(only(Attempt(LOCAL, 1, committed_at=101.0, failure=CUT)), 502)
    names = {pair.key for span in (*exported(made), *failed) for pair in span.attributes} | set(
        RESOURCE
    )
    others = {name for name in names if not name.startswith("gateway.")}
    assert len(others) > 25
    assert others - published() == set()


def test_the_schema_is_a_published_one() -> None:
    assert SCHEMA_URL in {each.value for each in Schemas}
    found = otlp_json.parse(orjson.dumps(export_request([], RESOURCE, "1", OFFSET_NS)))
    (resource,) = found.resource_spans
    assert otlp_json.attributes(resource.resource.attributes) == RESOURCE
    assert (resource.schema_url, resource.scope_spans[0].schema_url) == (SCHEMA_URL, SCHEMA_URL)
    assert (resource.scope_spans[0].scope.name, resource.scope_spans[0].scope.version) == (
        "gateway",
        "1",
    )


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"openrouter", "custom"}))
def test_providers_have_the_published_names(name: str) -> None:
    known = {each.value for each in GenAiProviderNameValues}
    assert (PROVIDERS[name].trace_name or name) in known


@pytest.mark.parametrize("dialect", ["chat", "embeddings"])
def test_operations_have_the_published_names(dialect: str) -> None:
    made = answered()
    made.dialect = dialect
    about = otlp_json.attributes(exported(made)[1].attributes)
    assert about["gen_ai.operation.name"] == dialect
    assert dialect in {each.value for each in GenAiOperationNameValues}
