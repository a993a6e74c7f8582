"""The few things that the nouns can do."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.failures import Failure, Kind
from gateway.types import Agent, Attempt, Client
from tests.makers import call, model

LIMITED = Failure(Kind.RATE_LIMIT, "slow down", status=429)


@pytest.mark.parametrize(
    ("failure", "cooldown_s", "brief"),
    [
        (None, 0.0, "sonnet;200"),
        (LIMITED, 59.6, "sonnet;429;cooldown=60"),
        (LIMITED, 0.0, "sonnet;429"),
        (Failure(Kind.TIMEOUT, "too slow"), 0.0, "sonnet;timeout"),
    ],
)
def test_an_attempt_in_brief(failure: Failure | None, cooldown_s: float, brief: str) -> None:
    assert Attempt(model(name="sonnet"), 1, failure=failure, cooldown_s=cooldown_s).brief() == brief


@pytest.mark.parametrize("kind", [Kind.EMPTY, Kind.MALFORMED])
def test_a_failure_behind_a_200_is_not_a_200(kind: Kind) -> None:
    assert (
        Attempt(model(name="sonnet"), 1, failure=Failure(kind, "", status=200)).brief()
        == f"sonnet;{kind}"
    )


def test_overhead_is_what_is_left_of_the_time_when_all_waiting_is_taken_away() -> None:
    asked = call(model(), received_at=100.0)
    asked.waited_s = 5.0
    asked.attempts = [
        Attempt(model(), 1, started_at=100.5, sent_at=101.0, ended_at=103.0, failure=LIMITED),
        Attempt(model(), 2, started_at=108.5, sent_at=109.0, committed_at=110.0),
    ]
    assert asked.overhead_s(111.0) == pytest.approx(111 - 100 - 5 - 2 - 1)


@pytest.mark.parametrize("attempt", [Attempt(model(), 1), Attempt(model(), 1, ended_at=105.0)])
def test_an_attempt_that_was_never_sent_is_our_own_time(attempt: Attempt) -> None:
    asked = call(model(), received_at=100.0)
    asked.attempts = [attempt]
    assert asked.overhead_s(106.0) == 6.0


def test_overhead_is_never_negative() -> None:
    asked = call(model(), received_at=100.0)
    asked.waited_s = 50.0
    assert asked.overhead_s(101.0) == 0.0


def test_agents_that_a_client_may_use() -> None:
    assert Client("local").may_use("anything")
    assert Client("limited", frozenset({"dev"})).may_use("dev")
    assert not Client("limited", frozenset({"dev"})).may_use("ops")
    assert not Client("nobody", frozenset()).may_use("dev")


def test_what_was_configured_cannot_change_and_is_equal_only_to_itself() -> None:
    one, other = model(), model()
    assert one != other
    assert len({one, other}) == 2
    for noun, field in (
        (one, "name"),
        (Agent("dev", (one,)), "models"),
        (one.provider, "base_url"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(noun, field, None)


def test_the_same_upstream_has_the_same_key_whatever_it_is_called() -> None:
    assert model(name="a").key == model(name="b").key
    assert model(credential="anthropic_key:team2").key != model().key
    assert model(base_url="http://127.0.0.1:9").key != model().key
