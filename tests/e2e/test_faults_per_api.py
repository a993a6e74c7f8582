"""The fault table for clients of Responses and Messages, over real sockets: on the native lane, and
through the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.drill import CALLS, TEXT, TOOLS
from gateway.drill.apis import APIS, Api, Said
from gateway.lab import FAULTS
from tests.e2e.harness import Running, running
from tests.e2e.test_faults import BREAKING, FALLBACK, FALLING_BACK, HARMLESS, NO_TLS

LANES = [
    ("messages", "anthropic"),
    ("messages", "openai"),
    ("responses", "openai"),
    ("responses", "anthropic"),
]
"""(the API of the client, the provider that has the fault)."""
NATIVE = {("messages", "anthropic"), ("responses", "openai")}

SLOW = ("silent", "slow_first_token", "comment_flood")
"""Faults that can only be noticed by waiting: one lane of each API is enough."""
FALLS = [
    (*lane, fault) for fault in FALLING_BACK for lane in (LANES[::2] if fault in SLOW else LANES)
]
BREAKS = [(*lane, fault) for fault in BREAKING for lane in LANES]
ODDITIES = [
    (*lane, fault, stream)
    for fault in set(HARMLESS) - {"late_name"}
    for stream in ((True,) if FAULTS[fault].needs_stream else (True, False))
    for lane in LANES
]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    agents = [f"{provider}>{FALLBACK}" for provider in ("anthropic", "openai")]
    timeouts: dict[str, Any] = {
        "first_token_seconds": 0.3,
        "answer_seconds": 0.3,
        "idle_seconds": 0.3,
        "heartbeat_seconds": 0.05,
    }
    with running(tmp_path, *agents, "anthropic", "openai", **timeouts) as gateway:
        yield gateway


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Running]:
    """With the usual waits: on a busy machine a provider that is well may take its time."""
    agents = [f"{provider}>{FALLBACK}" for provider in ("anthropic", "openai")]
    with running(tmp_path, *agents, "anthropic", "openai") as gateway:
        yield gateway


def ask(
    gateway: Running, api: Api, agent: str, *, stream: bool, tools: tuple[str, ...] = ()
) -> tuple[httpx.Response, Said]:
    body = api.ask(agent, stream=stream, tools=tools)
    response = httpx.post(gateway.url + api.path, json=body, timeout=20, verify=NO_TLS)
    if response.headers["content-type"].startswith("text/event-stream"):
        return response, api.of_stream(response.content)
    return response, api.of_body(response.json())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("api", "provider", "fault"), FALLS)
def test_the_next_model_answers(
    gateway: Running, api: str, provider: str, fault: str, stream: bool
) -> None:
    gateway.lab.fault(provider, fault)
    response, said = ask(gateway, APIS[api], f"{provider}>{FALLBACK}", stream=stream)
    assert response.status_code == 200, response.text
    assert (said.text, said.finish, said.error) == (TEXT, "stop", None)
    assert said.done == stream
    assert not said.events_after_end
    assert response.headers["x-gateway-model"] == FALLBACK
    assert [seen.provider for seen in gateway.lab.calls][-1] == FALLBACK


@pytest.mark.parametrize(("api", "provider", "fault"), BREAKS)
def test_a_stream_that_breaks_ends_in_the_error_of_its_api(
    gateway: Running, api: str, provider: str, fault: str
) -> None:
    gateway.lab.fault(provider, fault)
    response, said = ask(gateway, APIS[api], f"{provider}>{FALLBACK}", stream=True)
    assert response.status_code == 200
    assert said.error
    assert said.error["message"].startswith(f"{provider}: ")
    assert (said.done, said.finish, said.events_after_end) == (False, None, False)
    assert TEXT.startswith(said.text)
    assert [seen.provider for seen in gateway.lab.calls] == [provider]
    if api == "responses":
        assert b"event: response.failed" in response.content
        assert b'"status":"completed","content"' not in response.content.replace(b" ", b"")


@pytest.mark.parametrize(("api", "provider", "fault", "stream"), sorted(ODDITIES))
def test_an_oddity_changes_nothing(
    patient: Running, api: str, provider: str, fault: str, stream: bool
) -> None:
    patient.lab.fault(provider, fault)
    response, said = ask(patient, APIS[api], f"{provider}>{FALLBACK}", stream=stream)
    assert (said.text, said.finish, said.error) == (TEXT, "stop", None)
    assert said.done == stream
    assert not said.events_after_end
    assert response.headers["x-gateway-attempts"] == f"{provider};200"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("api", "provider"), LANES)
def test_calls_whose_names_come_late_are_whole(
    patient: Running, api: str, provider: str, stream: bool
) -> None:
    patient.lab.fault(provider, "late_name")
    _, said = ask(patient, APIS[api], provider, stream=stream, tools=TOOLS)
    assert [tuple(call) for call in said.calls] == list(CALLS)
    assert said.finish == "tool_calls"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["bad_request", "context_too_long"])
@pytest.mark.parametrize(("api", "provider"), LANES)
def test_the_client_gets_its_own_error_back(
    patient: Running, api: str, provider: str, fault: str, stream: bool
) -> None:
    patient.lab.fault(provider, fault)
    response, said = ask(patient, APIS[api], f"{provider}>{FALLBACK}", stream=stream)
    assert said.error
    assert response.status_code == 400
    assert said.error["type"] == "invalid_request_error"
    assert (provider in said.error["message"]) == ((api, provider) not in NATIVE)
    assert len(patient.lab.calls) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("api", "provider"), LANES)
def test_a_refusal_is_never_routed_around(
    patient: Running, api: str, provider: str, stream: bool
) -> None:
    patient.lab.fault(provider, "content_filter")
    response, said = ask(patient, APIS[api], f"{provider}>{FALLBACK}", stream=stream)
    assert said.finish == "content_filter"
    assert response.headers["x-gateway-model"] == provider


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "statuses"),
    [("rate_limit", (429, 429)), ("overloaded", (503, 529)), ("bad_key", (502, 500))],
)
@pytest.mark.parametrize(("api", "provider"), LANES)
def test_a_chain_of_one_reports_the_failure_in_the_format_of_the_api(
    patient: Running, api: str, provider: str, fault: str, statuses: tuple[int, int], stream: bool
) -> None:
    """`statuses` are those of Responses and of Messages. A provider's 401 is never the client's."""
    patient.lab.fault(provider, fault)
    response, said = ask(patient, APIS[api], provider, stream=stream)
    assert said.error
    assert response.status_code == statuses[api == "messages"]
    assert ("type" in response.json()) == (api == "messages")
    assert ("retry-after" in response.headers) == (fault != "bad_key")
