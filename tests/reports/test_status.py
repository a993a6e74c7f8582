"""The status report: agents, circuits, and the calls under way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest

from gateway.failures import Failure, Kind
from gateway.reports.status import ATTEMPTS_MAX, CALLS_MAX, AttemptState, Status, call_state, status
from gateway.types import Agent, Attempt, Call, Client
from tests.makers import Clock, breaker, model
from tests.makers import call as make_call

SONNET, LOCAL = model(name="sonnet"), model("custom", name="local")
LIMITED = Failure(Kind.RATE_LIMIT, "slow down, sk-ant-api03-secretsecret", status=429)
FACTS = {"status": "serving", "version": "1", "uptime_s": 2.0, "in_flight": 1, "waiting": 0}
ANYONE = Client("local")


def under_way(*attempts: Attempt, id_: str = "req_1", client: str = "tests", **fields: Any) -> Call:
    call = make_call(SONNET, LOCAL, received_at=100.0, **fields)
    call.attempts += attempts
    return replace(call, id=id_, client=Client(client))


@pytest.mark.parametrize(("answering", "is_full"), [(0, False), (1, False), (2, True)])
def test_a_model_with_as_many_calls_as_it_may_have_is_full(answering: int, is_full: bool) -> None:
    limited = model("custom", name="small", max_concurrent=2)
    calls = []
    for number in range(4):
        call = make_call(limited)
        ended_at = None if number < answering else 9.0
        call.attempts.append(Attempt(limited, 1, committed_at=1.0, ended_at=ended_at))
        calls.append(call)
    found = status(
        FACTS, [Agent("dev", (limited, LOCAL))], breaker(Clock()), calls, client=ANYONE, now=9.0
    )
    assert [shown.full for shown in found.agents[0].chain] == [is_full, False]


def report(*calls: Call, client: Client = ANYONE) -> Status:
    agents = [Agent("dev", (SONNET, LOCAL)), Agent("other", (LOCAL,))]
    return status(FACTS, agents, breaker(Clock()), calls, client=client, now=103.04)


FAILED = Attempt(SONNET, 1, started_at=100.0, ended_at=100.5, failure=LIMITED)
TRIED = Attempt(LOCAL, 2, started_at=100.5)
ANSWERING = Attempt(LOCAL, 2, started_at=100.5, committed_at=101.0)
WRITING = Attempt(LOCAL, 2, started_at=100.5, committed_at=101.0, ended_at=102.0)
BROKEN = replace(WRITING, failure=Failure(Kind.TRUNCATED, "it just stopped"))


@pytest.mark.parametrize(
    ("attempts", "model_tried", "outcomes", "waiting"),
    [
        ((), None, [], True),
        ((FAILED,), None, ["rate_limit"], True),
        ((FAILED, TRIED), "local", ["rate_limit", None], False),
        ((FAILED, ANSWERING), "local", ["rate_limit", "ok"], False),
        ((FAILED, WRITING), "local", ["rate_limit", "ok"], False),
        ((FAILED, BROKEN), "local", ["rate_limit", "truncated"], False),
    ],
    ids=["none yet", "all failed", "one is tried", "one answers", "it is sent", "it broke off"],
)
def test_a_call_says_where_it_is(
    attempts: tuple[Attempt, ...],
    model_tried: str | None,
    outcomes: list[str | None],
    waiting: bool,
) -> None:
    shown = call_state(under_way(*attempts), now=103.04)
    assert (shown.model, shown.waiting, shown.seconds) == (model_tried, waiting, 3.0)
    assert [attempt.outcome for attempt in shown.attempts] == outcomes


def test_what_a_call_says_of_itself() -> None:
    (shown,) = report(under_way(FAILED, id_="req_7", stream=True)).calls
    assert (shown.id, shown.agent, shown.client, shown.stream) == ("req_7", "dev", "tests", True)
    assert shown.attempts == [AttemptState("sonnet", "rate_limit")]


def test_the_list_of_calls_is_bounded_and_so_are_their_attempts() -> None:
    long = under_way(*[FAILED] * (ATTEMPTS_MAX + 5), id_="req_0")
    found = report(long, *(under_way(id_=f"req_{number}") for number in range(1, CALLS_MAX + 9)))
    assert [call.id for call in found.calls] == [f"req_{number}" for number in range(CALLS_MAX)]
    assert len(found.calls[0].attempts) == ATTEMPTS_MAX


def test_a_limited_client_sees_its_agents_and_its_own_calls() -> None:
    calls = [under_way(id_="mine", client="ci"), under_way(id_="theirs", client="laptop")]
    found = report(*calls, client=Client("ci", frozenset({"dev"})))
    assert [agent.agent for agent in found.agents] == ["dev"]
    assert [call.id for call in found.calls] == ["mine"]
    assert [call.id for call in report(*calls, client=Client("ci")).calls] == ["mine", "theirs"]


def test_a_model_that_is_cooling_down_says_why_without_secrets() -> None:
    circuits = breaker(Clock())
    circuits.cool_down(SONNET, 60.0, LIMITED)
    found = status(FACTS, [Agent("dev", (SONNET, LOCAL))], circuits, (), client=ANYONE, now=0.0)
    first, second = found.agents[0].chain
    assert (first.state, first.cooldown_left_s, first.kind) == ("open", 60.0, "rate_limit")
    assert first.reason is not None
    assert first.reason.startswith("429 rate limit: slow down")
    assert "secretsecret" not in first.reason
    assert (second.state, second.cooldown_left_s, second.reason, second.kind) == (
        "closed",
        0.0,
        None,
        None,
    )


def test_no_prompt_is_in_it() -> None:
    call = under_way(FAILED, messages=[{"role": "user", "content": "canary"}])
    assert b"canary" not in orjson.dumps(report(call))


def test_the_json_is_read_back_as_the_same_report() -> None:
    made = report(under_way(FAILED, TRIED))
    assert msgspec.convert(orjson.loads(orjson.dumps(made)), Status) == made


def test_a_gateway_of_an_earlier_version_lists_no_calls() -> None:
    body = orjson.loads(orjson.dumps(report()))
    del body["calls"]
    assert msgspec.convert(body, Status).calls == []
