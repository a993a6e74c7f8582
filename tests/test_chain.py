"""The policy as transcripts: what is tried, in which order, with which waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.chain import Backoff, Policy, Wait, attempts, exhausted
from gateway.failures import Failure, Kind
from gateway.types import Attempt, Model
from tests.makers import Clock, breaker, call, model

SONNET = model(name="sonnet", context_window=200_000)
HAIKU = model(name="haiku", model_id="claude-haiku-4-5", context_window=200_000)
GPT4O = model("openai", name="gpt4o", context_window=1_000_000)

GPT_A = model("openai", name="gpt@a", credential="openai_key:a", pool="gpt", context_window=1_000)
GPT_B = model("openai", name="gpt@b", credential="openai_key:b", pool="gpt", context_window=1_000)

LIMITED = Failure(Kind.RATE_LIMIT, "slow down", status=429)
OVERLOADED = Failure(Kind.OVERLOADED, "busy", status=529)
BROKEN = Failure(Kind.UNAVAILABLE, "boom", status=500)

Answer = Failure | None


class Play:
    """Runs the policy against scripted models, and writes down what it did."""

    def __init__(self, **script: list[Answer]) -> None:
        self.script = script
        self.clock = Clock(0.0)
        self.breaker = breaker(self.clock)
        self.call = call()

    @classmethod
    def of(cls, script: dict[str, list[Answer]]) -> Play:
        """For models whose names are no words of Python."""
        return cls(**script)

    def transcript(
        self, *models: Model, jitter: Callable[[], float] = lambda: 1.0, **backoff: float
    ) -> str:
        self.call = call(*models, received_at=self.clock.now)
        policy = Policy(Backoff(**backoff))  # type: ignore[arg-type]
        steps = []
        for step in attempts(self.call, self.breaker, policy, clock=self.clock, jitter=jitter):
            if isinstance(step, Wait):
                self.clock.now += step.delay_s
                steps.append(f"wait {step.delay_s:g}")
                continue
            assert isinstance(step, Attempt)
            steps.append(step.model.name)
            self._answer(step)
        return ", ".join(steps)

    def _answer(self, attempt: Attempt) -> None:
        answers = self.script.get(attempt.model.name, [None])
        attempt.failure = answers.pop(0) if len(answers) > 1 else answers[0]
        if attempt.failure is None:
            attempt.committed_at = self.clock.now


def test_the_first_model_answers() -> None:
    assert Play().transcript(SONNET, HAIKU) == "sonnet"


def test_switching_is_instant() -> None:
    play = Play(sonnet=[LIMITED], haiku=[OVERLOADED])
    assert play.transcript(SONNET, HAIKU, GPT4O) == "sonnet, haiku, gpt4o"
    assert play.clock.now == 0


def test_a_model_that_is_cooling_down_is_skipped() -> None:
    play = Play(sonnet=[LIMITED])
    play.transcript(SONNET, HAIKU)
    assert play.transcript(SONNET, HAIKU) == "haiku"
    play.clock.now += 60
    assert play.transcript(SONNET, HAIKU) == "sonnet, haiku"


def test_what_a_model_gets_wrong_twice_it_is_not_asked_a_third_time() -> None:
    wrong = Failure(Kind.BAD_OUTPUT, "tool_use_failed", status=400)
    assert Play(sonnet=[wrong]).transcript(SONNET) == "sonnet, wait 1, sonnet"
    assert (
        Play(sonnet=[wrong], haiku=[BROKEN, None]).transcript(SONNET, HAIKU)
        == "sonnet, haiku, wait 1, sonnet, haiku"
    )
    assert Play(sonnet=[wrong, None]).transcript(SONNET) == "sonnet, wait 1, sonnet"


def test_when_all_rest_the_wait_aims_at_the_first_to_wake() -> None:
    play = Play(
        sonnet=[LIMITED.with_(retry_after_s=7.0), None],
        haiku=[LIMITED.with_(retry_after_s=20.0), None],
    )
    assert play.transcript(SONNET, HAIKU) == "sonnet, haiku, wait 7, sonnet"


def test_a_cooldown_beyond_the_budget_is_not_waited_for() -> None:
    play = Play(sonnet=[LIMITED], haiku=[LIMITED])
    assert play.transcript(SONNET, HAIKU, wait_max_s=59.0) == "sonnet, haiku"
    error = exhausted(play.call, play.breaker, Policy())
    assert error.retry_after_s == 60
    assert error.speaker() is LIMITED


def test_backoff_doubles_while_no_model_is_cooling_down() -> None:
    play = Play(sonnet=[BROKEN])
    # then it cools down for 60 s
    assert play.transcript(SONNET) == "sonnet, wait 1, sonnet, wait 2, sonnet"


def test_jitter_is_full() -> None:
    play = Play(sonnet=[BROKEN, BROKEN, None])
    assert (
        play.transcript(SONNET, jitter=lambda: 0.25)
        == "sonnet, wait 0.25, sonnet, wait 0.5, sonnet"
    )


def test_rounds_are_bounded() -> None:
    play = Play(sonnet=[BROKEN.with_(kind=Kind.RATE_LIMIT, retry_after_s=1.0)])
    assert play.transcript(SONNET, rounds=2) == "sonnet, wait 1, sonnet"


def test_an_invalid_request_ends_it() -> None:
    play = Play(sonnet=[Failure(Kind.INVALID_REQUEST, "bad", status=400)])
    assert play.transcript(SONNET, HAIKU) == "sonnet"
    assert play.breaker.state(SONNET) == "closed"


def test_a_refusal_is_never_routed_around() -> None:
    assert Play(sonnet=[Failure(Kind.POLICY, "no")]).transcript(SONNET, HAIKU) == "sonnet"


def test_what_is_too_long_goes_only_to_a_larger_window() -> None:
    long = Failure(Kind.CONTEXT_TOO_LONG, "too long", status=400)
    assert Play(sonnet=[long]).transcript(SONNET, HAIKU, GPT4O) == "sonnet, gpt4o"
    assert Play(gpt4o=[long]).transcript(GPT4O, SONNET) == "gpt4o"


def test_what_a_model_cannot_serve_it_is_not_asked_again() -> None:
    play = Play(sonnet=[Failure(Kind.UNSUPPORTED, "n")], haiku=[BROKEN, None])
    assert play.transcript(SONNET, HAIKU) == "sonnet, haiku, wait 1, haiku"


def test_a_chain_of_one_behaves_the_same() -> None:
    play = Play(sonnet=[LIMITED.with_(retry_after_s=3.0), None])
    assert play.transcript(SONNET) == "sonnet, wait 3, sonnet"


def test_the_reason_of_an_untried_models_cooldown_is_reported() -> None:
    play = Play(sonnet=[LIMITED])
    play.transcript(SONNET, wait_max_s=1.0)
    assert play.transcript(SONNET, wait_max_s=1.0) == ""
    assert exhausted(play.call, play.breaker, Policy()).failures == (LIMITED,)
    assert play.call.tried() == "sonnet;cooldown=60"


def test_models_behind_a_final_failure_are_not_called_busy() -> None:
    play = Play(sonnet=[Failure(Kind.INVALID_REQUEST, "bad", status=400)])
    play.transcript(SONNET, HAIKU)
    assert exhausted(play.call, play.breaker, Policy()).speaker().kind is Kind.INVALID_REQUEST
    assert play.call.tried() == "sonnet;400"


def test_a_model_that_is_cooling_down_is_named_beside_those_that_were_tried() -> None:
    play = Play(sonnet=[LIMITED], haiku=[LIMITED, BROKEN])
    play.transcript(HAIKU, wait_max_s=1.0)
    play.transcript(SONNET, HAIKU, wait_max_s=1.0)
    exhausted(play.call, play.breaker, Policy())
    assert play.call.tried() == "sonnet;429;cooldown=60, haiku;cooldown=60"


@pytest.mark.parametrize(
    "kind",
    [
        Kind.EMPTY,
        Kind.REQUEST_DENIED,
        Kind.CANNOT_AFFORD,
        Kind.NOT_THE_API,
        Kind.TRANSLATION_REFUSED,
    ],
)
def test_what_the_same_request_would_meet_again_is_tried_once_and_cools_nothing_down(
    kind: Kind,
) -> None:
    play = Play(sonnet=[Failure(kind, "no", status=403)], haiku=[BROKEN, None])
    assert play.transcript(SONNET, HAIKU) == "sonnet, haiku, wait 1, haiku"
    assert play.breaker.state(SONNET) == "closed"


@pytest.mark.parametrize(
    "kind",
    [
        Kind.RATE_LIMIT,
        Kind.QUOTA,
        Kind.CREDENTIAL,
        Kind.OVERLOADED,
        Kind.UNAVAILABLE,
        Kind.MODEL_UNKNOWN,
        Kind.REQUEST_DENIED,
        Kind.CANNOT_AFFORD,
    ],
)
def test_what_concerns_one_account_goes_on_to_the_next_account(kind: Kind) -> None:
    play = Play.of({"gpt@a": [Failure(kind, "no")]})
    assert play.transcript(GPT_A, GPT_B, SONNET) == "gpt@a, gpt@b"
    assert play.breaker.state(GPT_B) == "closed"


@pytest.mark.parametrize(
    "kind",
    [
        Kind.UNSUPPORTED,
        Kind.TOO_LARGE,
        Kind.EMPTY,
        Kind.NOT_THE_API,
        Kind.TRANSLATION_REFUSED,
        Kind.CONTEXT_TOO_LONG,
    ],
)
def test_what_the_model_cannot_serve_none_of_its_accounts_is_asked(kind: Kind) -> None:
    play = Play.of({"gpt@a": [Failure(kind, "no")], "sonnet": [BROKEN, None]})
    assert play.transcript(GPT_A, GPT_B, SONNET) == "gpt@a, sonnet, wait 1, sonnet"


def test_bad_output_of_two_accounts_is_bad_output_of_one_model_twice() -> None:
    bad = Failure(Kind.BAD_OUTPUT, "no")
    play = Play.of({"gpt@a": [bad], "gpt@b": [bad], "sonnet": [BROKEN, None]})
    assert play.transcript(GPT_A, GPT_B, SONNET) == "gpt@a, gpt@b, sonnet, wait 1, sonnet"


def test_an_account_that_is_cooling_down_is_passed_by() -> None:
    play = Play.of({"gpt@a": [LIMITED]})
    assert play.transcript(GPT_A, GPT_B) == "gpt@a, gpt@b"
    assert play.transcript(GPT_A, GPT_B) == "gpt@b"


@pytest.mark.parametrize("committed", [True, False])
def test_a_client_that_leaves_gives_the_permit_back(committed: bool) -> None:
    play = Play(sonnet=[LIMITED])
    play.transcript(SONNET, wait_max_s=1.0)
    play.clock.now += 60
    steps = attempts(call(SONNET), play.breaker, Policy(), clock=play.clock, jitter=lambda: 1.0)
    attempt = next(steps)
    assert isinstance(attempt, Attempt)
    if committed:
        attempt.committed_at = play.clock.now
    steps.close()
    assert play.breaker.state(SONNET) == ("closed" if committed else "half_open")
    assert play.breaker.admit(call(SONNET), SONNET) is not None
