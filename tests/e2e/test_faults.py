"""The fault table over real sockets: what the client sees for each fault of the lab, streamed and
not, per dialect."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from gateway.lab import FAULTS
from gateway.lab.answers import WORDS
from gateway.lab.faults import CONNECTION_FAULTS, REQUEST_FAULTS
from tests.e2e.harness import Running, running

TEXT = " ".join(WORDS)
PROVIDERS = ("anthropic", "google", "openai", "mistral")
FALLBACK = "custom"

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""All is loopback; to load certificates for each call would take longer than the call."""
FALLING_BACK = [name for name, fault in FAULTS.items() if fault.outcome == "fallback"]
BREAKING = [name for name, fault in FAULTS.items() if fault.outcome == "truth"]
HARMLESS = [
    name
    for name, fault in FAULTS.items()
    if fault.outcome == "answer" and name not in ("flap", "content_filter")
]


REQUEST_FAULTS_AND_PROVIDERS = [
    (fault, provider) for fault in REQUEST_FAULTS for provider in PROVIDERS
]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    agents = [*(f"{provider}>{FALLBACK}" for provider in PROVIDERS), *PROVIDERS]
    with running(
        tmp_path,
        *agents,
        first_token_seconds=0.3,
        answer_seconds=0.3,
        idle_seconds=0.3,
        heartbeat_seconds=0.05,
    ) as gateway:
        yield gateway


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Running]:
    """With the usual waits: on a busy machine a provider that is well may take its time."""
    with running(tmp_path, *(f"{provider}>{FALLBACK}" for provider in PROVIDERS)) as gateway:
        yield gateway


def ask(
    gateway: Running, provider: str, *, stream: bool, agent: str | None = None
) -> tuple[httpx.Response, list[str]]:
    body = {
        "model": agent or f"{provider}>{FALLBACK}",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": stream,
    }
    response = httpx.post(
        gateway.url + "/v1/chat/completions", json=body, timeout=20, verify=NO_TLS
    )
    return response, [line[6:] for line in response.text.split("\n") if line.startswith("data: ")]


def text_of(response: httpx.Response, events: list[str], *, stream: bool) -> str:
    import json

    if not stream:
        return str(response.json()["choices"][0]["message"]["content"])
    bodies = [json.loads(event) for event in events if event != "[DONE]"]
    return "".join(
        c["delta"].get("content") or "" for body in bodies for c in body.get("choices", ())
    )


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", FALLING_BACK)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_next_model_answers(gateway: Running, provider: str, fault: str, stream: bool) -> None:
    gateway.lab.fault(provider, fault)
    response, events = ask(gateway, provider, stream=stream)
    assert response.status_code == 200, response.text
    assert text_of(response, events, stream=stream) == TEXT
    assert response.headers["x-gateway-model"] == FALLBACK
    assert response.headers["x-gateway-attempts"].startswith(f"{provider};")
    assert [seen.provider for seen in gateway.lab.calls][-1] == FALLBACK
    if stream:
        assert events[-1] == "[DONE]"


@pytest.mark.parametrize("fault", BREAKING)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_that_breaks_ends_in_one_error_and_no_done(
    gateway: Running, provider: str, fault: str
) -> None:
    import json

    gateway.lab.fault(provider, fault)
    response, events = ask(gateway, provider, stream=True)
    assert response.status_code == 200
    assert "[DONE]" not in events
    assert [event for event in events if '"error"' in event] == events[-1:]
    error = json.loads(events[-1])["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert not any('"finish_reason":"' in event for event in events)
    assert TEXT.startswith(text_of(response, events, stream=True))
    assert all(seen.provider == provider for seen in gateway.lab.calls)


@pytest.mark.parametrize("fault", [name for name in BREAKING if not FAULTS[name].needs_stream])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_whole_answer_that_breaks_is_made_up_for(
    gateway: Running, provider: str, fault: str
) -> None:
    gateway.lab.fault(provider, fault)
    response, events = ask(gateway, provider, stream=False)
    assert text_of(response, events, stream=False) == TEXT
    assert response.headers["x-gateway-model"] == FALLBACK


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", HARMLESS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_oddity_changes_nothing(
    patient: Running, provider: str, fault: str, stream: bool
) -> None:
    patient.lab.fault(provider, fault)
    response, events = ask(patient, provider, stream=stream)
    assert text_of(response, events, stream=stream) == TEXT
    assert response.headers["x-gateway-model"] == provider
    if stream:
        assert events[-1] == "[DONE]"
        assert sum('"finish_reason":"stop"' in event for event in events) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_calls_whose_names_come_late_are_whole(
    gateway: Running, provider: str, stream: bool
) -> None:
    gateway.lab.fault(provider, "late_name")
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    names = ["first_tool", "second_tool", "third_tool"]
    body: dict[str, Any] = {
        "model": f"{provider}>{FALLBACK}",
        "messages": [{"role": "user", "content": " ".join(names)}],
        "tools": [
            {"type": "function", "function": {"name": name, "parameters": parameters}}
            for name in names
        ],
    }
    with gateway.sdk() as client:
        if stream:
            with client.chat.completions.stream(**body) as events:
                answer = events.get_final_completion()
        else:
            answer = client.chat.completions.create(**body)
    calls = answer.choices[0].message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls or ()] == [
        (n, '{"city":"Oslo"}') for n in names
    ]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert [seen.provider for seen in gateway.lab.calls] == [provider]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "code"), [("bad_request", None), ("context_too_long", "context_length_exceeded")]
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_client_gets_its_own_error_back(
    gateway: Running, provider: str, fault: str, code: str | None, stream: bool
) -> None:
    gateway.lab.fault(provider, fault)
    response, _ = ask(gateway, provider, stream=stream)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert provider in error["message"]
    assert len(gateway.lab.calls) == 1
    if code:
        assert error["code"] == code


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refusal_is_never_routed_around(gateway: Running, provider: str) -> None:
    gateway.lab.fault(provider, "content_filter")
    response, _ = ask(gateway, provider, stream=False)
    assert response.json()["choices"][0]["finish_reason"] == "content_filter"
    assert response.headers["x-gateway-model"] == provider


def test_when_every_model_is_limited_the_client_learns_when_to_retry(gateway: Running) -> None:
    gateway.lab.fault("anthropic", "rate_limit")
    gateway.lab.fault(FALLBACK, "rate_limit")
    with gateway.sdk() as client, pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(
            model=f"anthropic>{FALLBACK}", messages=[{"role": "user", "content": "Hi"}]
        )
    assert raised.value.response.headers["retry-after"] == "7"
    assert raised.value.response.headers["x-should-retry"] == "true"
    body: Any = raised.value.body
    assert body["code"] == "rate_limit_exceeded"
    assert len(body["attempts"]) == 2


def test_a_model_that_is_cooling_down_is_not_asked(gateway: Running) -> None:
    gateway.lab.fault("anthropic", "overloaded")
    for _ in range(3):
        ask(gateway, "anthropic", stream=False)
    assert [seen.provider for seen in gateway.lab.calls] == [
        "anthropic",
        FALLBACK,
        FALLBACK,
        FALLBACK,
    ]


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_an_upstream_without_a_server(gateway: Running, provider: str) -> None:
    model = gateway.app.gateway.models[provider]
    object.__setattr__(model, "base_url", "http://127.0.0.1:1")
    response, _ = ask(gateway, provider, stream=False)
    assert response.headers["x-gateway-attempts"] == f"{provider};unavailable, {FALLBACK};200"


@pytest.mark.parametrize(("fault", "provider"), REQUEST_FAULTS_AND_PROVIDERS)
def test_after_a_fault_of_one_request_nothing_cools_down(
    gateway: Running, provider: str, fault: str
) -> None:
    gateway.lab.fault(provider, fault, "ok")
    first, _ = ask(gateway, provider, stream=False)
    assert first.headers["x-gateway-model"] == FALLBACK
    assert "cooldown" not in first.headers["x-gateway-attempts"]
    second, _ = ask(gateway, provider, stream=True)
    assert second.headers["x-gateway-attempts"] == f"{provider};200"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("fault", "provider"), REQUEST_FAULTS_AND_PROVIDERS)
def test_a_chain_of_one_does_not_blame_the_key_for_it(
    gateway: Running, provider: str, fault: str, stream: bool
) -> None:
    gateway.lab.fault(provider, fault)
    response, _ = ask(gateway, provider, stream=stream, agent=provider)
    error = response.json()["error"]
    assert error["code"] not in ("upstream_authentication_error", "upstream_model_not_found")
    assert (response.status_code, len(gateway.lab.calls)) == (error_status(fault), 1)


def error_status(fault: str) -> int:
    return {"challenge_page": 502, "cannot_afford": 429}.get(fault, 400)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_empty_answer_of_the_only_model_is_an_error(
    gateway: Running, provider: str, stream: bool
) -> None:
    gateway.lab.fault(provider, "empty")
    response, _ = ask(gateway, provider, stream=stream, agent=provider)
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_empty_answer"
    assert response.headers["x-gateway-attempts"] == f"{provider};empty"


def test_when_every_model_is_cooling_down_each_is_named_with_its_seconds(gateway: Running) -> None:
    gateway.lab.fault("anthropic", "rate_limit")
    gateway.lab.fault(FALLBACK, "rate_limit_bare")
    ask(gateway, "anthropic", stream=False)
    response, _ = ask(gateway, "anthropic", stream=False)
    attempts = response.headers["x-gateway-attempts"]
    assert re.fullmatch(rf"anthropic;cooldown=[67], {FALLBACK};cooldown=(59|60)", attempts)
    message = response.json()["error"]["message"]
    assert "anthropic (anthropic) is cooling down after 429 rate limit: " in message
    assert response.json()["error"]["attempts"] == attempts.split(", ")


@pytest.mark.parametrize(
    "body", [b"{", b'{"model": "nobody", "messages": [{"role": "user", "content": "Hi"}]}']
)
def test_a_request_that_reaches_no_chain_has_no_attempts(gateway: Running, body: bytes) -> None:
    response = httpx.post(gateway.url + "/v1/chat/completions", content=body, verify=NO_TLS)
    assert response.headers["x-gateway-attempts"] == ""


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["reset", "cut", "silent", "stall", "refused_connection", "dns"])
@pytest.mark.parametrize("provider", ["anthropic", "openai", "google"])
def test_no_error_names_an_address_of_a_provider(
    gateway: Running, provider: str, fault: str, stream: bool
) -> None:
    host = f"127.0.0.1:{gateway.lab.port}"
    if fault in CONNECTION_FAULTS:
        host = CONNECTION_FAULTS[fault].partition("//")[2]
        object.__setattr__(
            gateway.app.gateway.models[provider], "base_url", CONNECTION_FAULTS[fault] + "/v1"
        )
    else:
        gateway.lab.fault(provider, fault)
    response, _ = ask(gateway, provider, stream=stream, agent=provider)
    assert '"error"' in response.text
    assert provider in response.text
    assert host not in response.text + str(response.headers)


def test_a_schema_that_our_translation_made_is_the_next_models_chance(gateway: Running) -> None:
    """A second provider that refuses it does not end the call, and its metric has a name of its
    own."""
    gateway.lab.fault("anthropic", "schema_refused")
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = {
        "model": f"anthropic>{FALLBACK}",
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": schema}}],
    }
    response = httpx.post(gateway.url + "/v1/chat/completions", json=body, verify=NO_TLS)
    assert response.headers["x-gateway-attempts"] == f"anthropic;400, {FALLBACK};200"
    metrics = httpx.get(gateway.url + "/metrics", verify=NO_TLS).text
    assert 'outcome="translation_refused"' in metrics
