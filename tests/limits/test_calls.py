"""Calls with limits from the client's side: what passes, what is refused and how, and what is
charged."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.limits.limiter import RENEW_S
from gateway.shared.limits import HOLD_S
from tests.inbound.asgi import Client, scope
from tests.limits.calls import NOON, USAGE, Leaving, Limited, config, event, said, whole
from tests.upstream.fakes import JSON, Response

pytestmark = pytest.mark.anyio

TEN_DOLLARS = {"budget": "10 USD/day"}


async def test_twenty_calls_at_once_against_a_budget_for_ten(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS)
    gateway.provider.gate.clear()
    calls = [asyncio.ensure_future(gateway.ask()) for _ in range(20)]
    while sum(call.done() for call in calls) < 10:
        await asyncio.sleep(0)
    gateway.provider.gate.set()
    statuses = [answer.status for answer in await asyncio.gather(*calls)]
    assert sorted(statuses) == [200] * 10 + [429] * 10
    assert len(gateway.provider.requests) == 10
    row = await gateway.row()
    assert (row.used, row.reserved, row.left, row.percent) == (10, 0, 0, 100)


async def test_a_spent_budget_is_refused_with_what_was_spent_and_when_it_resets(
    tmp_path: Path,
) -> None:
    gateway = Limited(tmp_path, {"budget": "1.5 USD/day"})
    assert (await gateway.ask()).status == 200
    refused = await gateway.ask()
    assert refused.status == 429
    assert (refused.error["type"], refused.error["code"]) == (
        "insufficient_quota",
        "budget_exceeded",
    )
    assert refused.error["message"] == (
        "The budget of agent dev is spent: 1 USD of 1.5 USD/day, calls under way included, and "
        "this call may take"
        " 1 USD. It resets at 2026-11-26T00:00:00+00:00."
    )
    assert refused.headers["retry-after"] == str(12 * 3600)
    assert refused.headers["x-should-retry"] == "false"
    assert refused.error["limit"] == {
        "owner": "agent dev",
        "limit": "1.5 USD/day",
        "used": 1,
        "cap": 1.5,
        "unit": "USD",
        "resets_at": "2026-11-26T00:00:00+00:00",
    }
    assert (await gateway.ask(agent="bot")).status == 200, "another agent has no budget"
    assert (
        b'gateway_limit_refusals_total{limit="agent dev",per="day",unit="USD"} 1.0'
        in gateway.app.metrics.text()
    )


async def test_a_rate_is_refused_until_the_next_call_may_pass(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"rate": ["2 calls/minute", "1000000 tokens/minute"]})
    assert [(await gateway.ask()).status for _ in range(3)] == [200, 200, 429]
    refused = await gateway.ask()
    assert (refused.error["type"], refused.error["code"]) == (
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    assert refused.error["message"].startswith(
        "The rate of agent dev is reached: 2 calls/minute. A call may pass at "
    )
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("30", "true")
    gateway.clock.now += 30
    assert [(await gateway.ask()).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("path", "body", "type_", "retry_after"),
    [
        (
            "/v1/messages",
            {"messages": [{"role": "user", "content": "Hi"}]},
            "rate_limit_error",
            "60",
        ),
        ("/v1/responses", {"input": "Hi"}, "insufficient_quota", "43200"),
    ],
)
async def test_each_api_has_its_own_form_of_the_refusal(
    tmp_path: Path, path: str, body: dict[str, Any], type_: str, retry_after: str
) -> None:
    gateway = Limited(tmp_path, {"budget": "1 USD/day"})
    assert (await gateway.ask()).status == 200
    for stream in (False, True):
        whole_body = {
            "model": "dev",
            "max_tokens": 5,
            "max_output_tokens": 5,
            "stream": stream,
            **body,
        }
        client = Client(json.dumps(whole_body).encode())
        await gateway.serve(client, path=path)
        refused = client.answer
        assert (refused.status, refused.error["type"]) == (429, type_)
        assert "The budget of agent dev is spent" in refused.error["message"]
        assert refused.headers["x-should-retry"] == "false"
        assert refused.headers["retry-after"] == retry_after


def vectors() -> Response:
    body = {
        "data": [{"index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    return Response(json.dumps(body).encode(), headers=JSON)


async def test_embeddings_are_counted_and_keep_their_vector_space(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"budget": "8 tokens/day", "when_spent": ["local"]})
    gateway.provider.scripts["dear"] = [vectors()]
    answers = []
    for _ in range(2):
        client = Client(json.dumps({"model": "dev", "input": "Hello"}).encode())
        await gateway.serve(client, path="/v1/embeddings")
        answers.append(client.answer)
    assert [answer.status for answer in answers] == [200, 429], answers[0].body
    row = await gateway.row(unit="tokens")
    assert (row.used, row.estimated) == (7, 0)


async def test_tokens_count_what_the_provider_counts(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"budget": "250 tokens/day"})
    assert (await gateway.ask()).status == 200
    assert (await gateway.row(unit="tokens")).used == USAGE["prompt_tokens"] + USAGE[
        "completion_tokens"
    ]
    assert (await gateway.ask()).status == 200
    assert (await gateway.ask()).status == 429


async def test_a_budget_of_everything_and_one_of_a_key(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, limits={"budget": "3 USD/month"})
    poor = gateway.app.keys.add("poor", budget=["1 USD/day"])
    rich = gateway.app.keys.add("rich")
    statuses = [(await gateway.ask(key)).status for key in (poor, poor, rich, rich, rich)]
    assert statuses == [200, 429, 200, 200, 429]
    refused = await gateway.ask(rich, agent="dear")
    assert "The budget of gateway is spent: 3 USD of 3 USD/month" in refused.error["message"], (
        "a model's name as well"
    )
    rows = await gateway.app.limits.rows()
    assert [(row.owner, row.used) for row in rows] == [("gateway", 3), ("key poor", 1)]


async def test_all_or_nothing(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"budget": "10 USD/day", "rate": "1 calls/minute"})
    assert [(await gateway.ask()).status for _ in range(2)] == [200, 429]
    assert (await gateway.row()).used == 1


async def test_once_it_is_spent_another_chain_answers(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"budget": "1 USD/day", "when_spent": ["local"]})
    answers = [await gateway.ask() for _ in range(3)]
    assert [answer.headers["x-gateway-model"] for answer in answers] == ["dear", "local", "local"]
    assert {answer.headers["x-gateway-agent"] for answer in answers} == {"dev"}
    gateway.wall.now += 12 * 3600
    assert (await gateway.ask()).headers["x-gateway-model"] == "dear"


async def test_what_the_other_chain_costs_counts_and_is_not_refused(tmp_path: Path) -> None:
    gateway = Limited(
        tmp_path, {"models": ["dear", "free"], "budget": "1 USD/day", "when_spent": ["dear"]}
    )
    assert [(await gateway.ask()).status for _ in range(3)] == [200] * 3
    assert (await gateway.row()).used == 3


@pytest.mark.parametrize("limits", [{"budget": "1 USD/day"}, {"rate": "1 calls/minute"}])
async def test_another_limit_refuses_although_there_is_another_chain(
    tmp_path: Path, limits: dict[str, Any]
) -> None:
    gateway = Limited(tmp_path, {"budget": "1 USD/day", "when_spent": ["free"]}, limits=limits)
    assert [(await gateway.ask()).status for _ in range(2)] == [200, 429]


async def test_from_eighty_percent_on_every_answer_and_one_log_line_warn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS)
    with caplog.at_level(logging.WARNING, "gateway.limits"):
        answers = [await gateway.ask(stream=number == 9) for number in range(10)]
    said_ = [answer.headers.get("x-gateway-budget") for answer in answers]
    assert said_ == [None] * 7 + [
        f"agent dev {percent}% of 10 USD/day" for percent in (80, 90, 100)
    ]
    assert [record.getMessage() for record in caplog.records] == [
        "budget: agent dev 80% of 10 USD/day (2026-11-25)"
    ]


async def test_a_call_that_ends_after_midnight_belongs_to_the_day_in_which_it_began(
    tmp_path: Path,
) -> None:
    gateway = Limited(tmp_path, {"budget": "1 USD/day"}, now=NOON + 12 * 3600 - 1)
    gateway.provider.gate.clear()
    before = asyncio.ensure_future(gateway.ask())
    while not gateway.provider.requests:
        await asyncio.sleep(0)
    gateway.wall.now += 2
    gateway.provider.gate.set()
    assert (await before).status == 200
    assert ((await gateway.row()).period, (await gateway.row()).used) == ("2026-11-26", 0)
    assert [(await gateway.ask()).status for _ in range(2)] == [200, 429]


async def test_a_call_that_fails_costs_nothing(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS)
    gateway.provider.scripts["dear"] = [Response(b"{}", status=500, headers={})]
    assert (await gateway.ask()).status == 502
    row = await gateway.row()
    assert (row.used, row.reserved) == (0, 0)


CUT = [said("x" * 40), said("y" * 40)]


async def test_a_stream_that_breaks_off_costs_what_was_delivered(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS)
    gateway.provider.scripts["dear"] = [Response(*CUT, "reset")]
    await gateway.ask(stream=True)
    row = await gateway.row()
    assert (row.used, row.estimated, row.reserved) == (0.2, 0.2, 0), "80 bytes are 20 tokens"


async def test_a_client_that_leaves_pays_for_what_was_delivered(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS)
    gateway.provider.scripts["dear"] = [Response(*CUT, *CUT)]
    client = Leaving(*gateway.client(stream=True).pieces)
    await gateway.serve(client)
    row = await gateway.row()
    assert (row.used, row.estimated, row.reserved) == (0.1, 0.1, 0)


async def test_a_client_that_leaves_before_the_first_token_pays_for_its_prompt(
    tmp_path: Path,
) -> None:
    gateway = Limited(tmp_path, {"budget": "1000 tokens/day"})
    gateway.provider.gate.clear()
    client = gateway.client(stream=True, text="x" * 400)
    serving = asyncio.ensure_future(gateway.serve(client))
    while not gateway.provider.requests:
        await asyncio.sleep(0)
    client.leave()
    await serving
    row = await gateway.row(unit="tokens")
    assert row.reserved == 0
    assert 100 <= row.used == row.estimated < 120


async def test_a_provider_that_counts_nothing_is_charged_by_estimate(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS)
    gateway.provider.scripts["dear"] = [whole(None, "z" * 200)]
    await gateway.ask()
    row = await gateway.row()
    assert (row.estimated, row.reserved) == (row.used, 0)
    assert 0.5 <= row.used < 0.6


async def test_a_whole_stream_is_charged_as_its_provider_counts(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS)
    usage = event(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 30})
    gateway.provider.scripts["dear"] = [
        Response(*CUT, said("", "stop"), usage, b"data: [DONE]\n\n")
    ]
    await gateway.ask(stream=True)
    row = await gateway.row()
    assert (row.used, row.estimated) == (0.3, 0)


async def test_both_attempts_of_a_call_are_charged(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"models": ["dear", "free"], "budget": "1000 tokens/day"})
    gateway.provider.scripts["dear"] = [Response(b"{}", status=503, headers={})]
    answer = await gateway.ask()
    assert answer.headers["x-gateway-model"] == "free"
    assert (await gateway.row(unit="tokens")).used == 105


async def test_a_model_without_a_price_costs_nothing_and_is_shown(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"models": ["local"], "budget": "1 USD/day"})
    assert [(await gateway.ask()).status for _ in range(3)] == [200] * 3
    row = await gateway.row()
    assert (row.used, row.unpriced) == (0, ["local"])


async def test_a_model_without_a_price_is_not_tried_where_it_is_refused(tmp_path: Path) -> None:
    refuse = {"unpriced": "refuse"}
    gateway = Limited(tmp_path, {"models": ["local", "dear"], "budget": "2 USD/day"}, limits=refuse)
    assert (await gateway.ask()).headers["x-gateway-attempts"] == "dear;200"
    refused = await Limited(
        tmp_path, {"models": ["local"], "budget": "2 USD/day"}, limits=refuse
    ).ask()
    assert (refused.status, refused.error["code"]) == (429, "model_unpriced")
    assert "local has none" in refused.error["message"]
    assert refused.headers["x-should-retry"] == "false"


async def test_a_budget_that_is_raised_keeps_what_is_spent(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"budget": "1 USD/day"})
    assert [(await gateway.ask()).status for _ in range(2)] == [200, 429]
    gateway.app.swap(config({"budget": "2 USD/day"}, {"time_zone": "UTC"}))
    await gateway.app.limits.look_after()
    assert [(await gateway.ask()).status for _ in range(2)] == [200, 429]


async def test_a_long_call_keeps_its_hold(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"budget": "1 USD/day"})
    gateway.provider.gate.clear()
    long = asyncio.ensure_future(gateway.ask())
    while not gateway.provider.requests:
        await asyncio.sleep(0)
    for _ in range(int(2 * HOLD_S / RENEW_S)):
        gateway.clock.now += RENEW_S
        await gateway.app.limits.look_after()
    row = await gateway.row()
    assert (row.reserved, row.orphaned) == (1, 0)
    gateway.provider.gate.set()
    assert (await long).status == 200
    assert (await gateway.row()).reserved == 0


@pytest.mark.parametrize("count", [2**53 - 1, 10**40, -5, "many", None])
async def test_an_absurd_count_of_a_provider_breaks_nothing(tmp_path: Path, count: Any) -> None:
    gateway = Limited(
        tmp_path, {"budget": ["1 USD/day", "1000 tokens/hour"], "rate": "1 tokens/minute"}
    )
    gateway.provider.scripts["dear"] = [whole({"prompt_tokens": count, "completion_tokens": count})]
    assert (await gateway.ask()).status == 200
    refused = await gateway.ask()
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) > 0
    assert gateway.app.observer.in_flight == 0
    assert {row.reserved for row in await gateway.app.limits.rows()} == {0}


async def test_a_call_that_asks_for_an_absurd_number_of_answers_is_refused(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, {"budget": "1000 tokens/hour"})
    assert (await gateway.ask(n=10**15)).status in (400, 429)
    assert (await gateway.row(unit="tokens")).used == 0


async def test_the_metrics_show_every_limit(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS)
    await gateway.ask()
    client = gateway.client()
    await gateway.app.asgi(scope("GET", "/metrics", {}), client.receive, client.send)
    text = client.answer.body.decode()
    assert 'gateway_limit_used{limit="agent dev",per="day",unit="USD"} 1.0' in text
    assert 'gateway_limit_cap{limit="agent dev",per="day",unit="USD"} 10.0' in text


async def test_the_ordinary_call_never_comes_near_a_limit(tmp_path: Path) -> None:
    gateway = Limited(tmp_path)
    assert not gateway.app.gateway.is_limited
    gateway.app.gateway = replace(gateway.app.gateway, limiter=None)  # type: ignore[arg-type]
    assert (await gateway.ask()).status == 200


async def test_a_client_sees_the_limits_that_concern_it(tmp_path: Path) -> None:
    gateway = Limited(tmp_path, TEN_DOLLARS, limits={"budget": "100 USD/month"})
    one = gateway.app.keys.lookup(gateway.app.keys.add("one", ["dev"], budget=["1 USD/day"]))
    two = gateway.app.keys.lookup(gateway.app.keys.add("two", ["bot"], budget=["1 USD/day"]))
    assert one is not None
    assert two is not None
    assert [row.owner for row in await gateway.app.limits.rows(one)] == [
        "gateway",
        "agent dev",
        "key one",
    ]
    assert [row.owner for row in await gateway.app.limits.rows(two)] == [
        "gateway",
        "key two",
    ]
