"""The breaker as transcripts: what fails, what cools down, what may be tried."""

from __future__ import annotations

import pytest

from gateway.failures import Failure, Kind
from gateway.shared.breaker import EARLY_PROBE_S, Breaker
from gateway.shared.circuits import Change
from gateway.shared.engine import News, Permit, Receive
from gateway.shared.local import Local
from gateway.shared.port import Pending
from gateway.types import Model
from tests.makers import Clock, call, model

SONNET, HAIKU = model(name="sonnet"), model(name="haiku", model_id="claude-haiku-4-5")
LIMITED = Failure(Kind.RATE_LIMIT, "slow down", status=429)
BROKEN = Failure(Kind.UNAVAILABLE, "boom", status=500)
BAD_KEY = Failure(Kind.CREDENTIAL, "no", status=401)


class Bench:
    """A breaker, its clock, and what it said."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.changes: list[Change] = []
        self.shared = Local(self.clock)
        self.shared.subscribe(self._receive)
        self.breaker = Breaker(self.shared, self.clock)

    def _receive(self, news: News) -> None:
        if isinstance(news, Change):
            self.changes.append(news)

    def try_(self, tried: Model = SONNET) -> Permit | None:
        permit = self.breaker.admit(call(tried), tried)
        assert not isinstance(permit, Pending)
        return permit

    def permit(self) -> Permit:
        permit = self.try_()
        assert permit is not None
        return permit

    def fail(self, failure: Failure = LIMITED) -> float:
        return self.breaker.failed(self.permit(), failure)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_rate_limit_cools_the_model_down_for_a_minute(bench: Bench) -> None:
    assert bench.fail() == 60
    assert bench.try_() is None
    assert bench.try_(HAIKU) is not None
    assert bench.breaker.cooldown_left_s(SONNET) == 60
    assert bench.breaker.state(SONNET) == "open"


def test_what_a_model_wrote_wrong_says_nothing_about_its_provider(bench: Bench) -> None:
    assert [
        bench.fail(Failure(Kind.BAD_OUTPUT, "tool_use_failed", status=400)) for _ in range(9)
    ] == [0.0] * 9
    assert bench.try_() is not None


def test_the_provider_states_the_time(bench: Bench) -> None:
    assert bench.fail(LIMITED.with_(retry_after_s=7.0)) == 7


@pytest.mark.parametrize(("stated", "cooldown_s"), [(0.0, 1.0), (10**9, 3600.0)])
def test_a_stated_time_is_clamped(bench: Bench, stated: float, cooldown_s: float) -> None:
    assert bench.fail(LIMITED.with_(retry_after_s=stated)) == cooldown_s


def test_after_the_cooldown_one_call_may_try_and_the_others_skip_it(bench: Bench) -> None:
    bench.fail()
    bench.clock.now += 60
    assert bench.breaker.state(SONNET) == "half_open"
    probe = bench.try_()
    assert probe is not None
    assert [bench.try_() for _ in range(99)] == [None] * 99
    bench.breaker.succeeded(probe)
    assert bench.breaker.state(SONNET) == "closed"
    assert [change.state for change in bench.changes] == ["open", "closed"]


def test_a_failed_probe_makes_the_cooldown_longer(bench: Bench) -> None:
    bench.fail()
    bench.clock.now += 60
    assert bench.fail() == 120
    bench.clock.now += 120
    assert bench.fail() == 240


def test_a_probe_whose_client_left_frees_its_place(bench: Bench) -> None:
    bench.fail()
    bench.clock.now += 60
    bench.breaker.released(bench.permit())
    assert bench.try_() is not None


def test_a_probe_that_says_nothing_about_the_model_frees_its_place(bench: Bench) -> None:
    bench.fail()
    bench.clock.now += 60
    assert bench.fail(Failure(Kind.INVALID_REQUEST, "bad", status=400)) == 0
    assert bench.try_() is not None


def test_server_errors_count_three_in_a_row(bench: Bench) -> None:
    assert [bench.fail(BROKEN), bench.fail(BROKEN)] == [0, 0]
    bench.breaker.succeeded(bench.permit())
    bench.breaker.finished(SONNET)
    assert [bench.fail(BROKEN), bench.fail(BROKEN), bench.fail(BROKEN)] == [0, 0, 60]


def test_a_bad_key_cools_down_every_model_of_that_credential(bench: Bench) -> None:
    assert bench.fail(BAD_KEY) == 300
    assert bench.try_(HAIKU) is None
    assert bench.try_(model(name="other", credential="anthropic_key:team2")) is not None


def test_a_late_success_does_not_close_it(bench: Bench) -> None:
    early = bench.permit()
    bench.fail()
    bench.breaker.succeeded(early)
    assert bench.breaker.state(SONNET) == "open"
    bench.clock.now += 60
    bench.breaker.succeeded(early)
    assert bench.breaker.state(SONNET) == "half_open"


def test_a_late_failure_makes_the_cooldown_longer_but_never_shorter(bench: Bench) -> None:
    first, second, third = bench.permit(), bench.permit(), bench.permit()
    bench.breaker.failed(first, LIMITED)
    bench.breaker.failed(second, LIMITED.with_(retry_after_s=10.0))
    assert bench.breaker.cooldown_left_s(SONNET) == 60
    bench.breaker.failed(third, LIMITED.with_(retry_after_s=300.0))
    assert bench.breaker.cooldown_left_s(SONNET) == 300
    assert [change.cooldown_s for change in bench.changes] == [60, 300], (
        "a longer cooldown is news, too"
    )


def test_a_stream_that_breaks_off_counts(bench: Bench) -> None:
    cut = Failure(Kind.TRUNCATED, "cut")
    assert [bench.breaker.failed_late(SONNET, cut) for _ in range(3)] == [0, 0, 60]


def test_a_model_can_be_skipped_before_it_fails(bench: Bench) -> None:
    bench.breaker.cool_down(SONNET, 12.0, LIMITED)
    assert bench.breaker.cooldown_left_s(SONNET) == 12


def test_repr_shows_what_is_cooling_down(bench: Bench) -> None:
    bench.fail()
    assert "claude-sonnet-5': 60" in repr(bench.breaker)


def test_a_probes_late_success_does_not_close_a_circuit_that_another_process_opened_meanwhile(
    bench: Bench,
) -> None:
    bench.fail()
    bench.clock.now += 60
    probe = bench.permit()
    newer = Change(SONNET.key, "open", 120.0, LIMITED, generation=7)
    bench.shared.tell(Receive(newer))
    bench.breaker.succeeded(probe)
    assert bench.breaker.state(SONNET) == "open"
    assert bench.breaker.cooldown_left_s(SONNET) == 120
    assert [change.state for change in bench.changes] == ["open"], (
        "what another process reported is not reported again"
    )


def test_a_probe_of_the_newer_opening_closes_it(bench: Bench) -> None:
    bench.shared.tell(Receive(Change(SONNET.key, "open", 120.0, LIMITED, generation=7)))
    bench.clock.now += 120
    bench.breaker.succeeded(bench.permit())
    assert bench.breaker.state(SONNET) == "closed"


def test_another_process_closes_a_circuit(bench: Bench) -> None:
    bench.fail()
    bench.shared.tell(Receive(Change(SONNET.key, "closed")))
    assert bench.breaker.state(SONNET) == "closed"


def test_a_configuration_error_may_be_tried_as_the_last_resort(bench: Bench) -> None:
    bench.fail(BAD_KEY)
    assert bench.try_() is None
    assert bench.breaker.admit(call(SONNET), SONNET, last_resort=True) is not None
    assert bench.breaker.admit(call(SONNET), SONNET, last_resort=True) is None, (
        "one probe at a time"
    )


def test_the_last_resort_is_tried_once_in_a_while_and_makes_no_cooldown_longer(
    bench: Bench,
) -> None:
    assert bench.fail(BAD_KEY) == 300
    for _ in range(5):
        permit = bench.breaker.admit(call(SONNET), SONNET, last_resort=True)
        assert isinstance(permit, Permit)
        assert bench.breaker.failed(permit, BAD_KEY) == 300
        assert bench.breaker.admit(call(SONNET), SONNET, last_resort=True) is None
        bench.clock.now += EARLY_PROBE_S
    bench.clock.now += 300
    assert bench.breaker.failed(bench.permit(), BAD_KEY) == 600


def test_a_provider_failure_is_not_tried_as_the_last_resort(bench: Bench) -> None:
    bench.fail()
    assert bench.breaker.admit(call(SONNET), SONNET, last_resort=True) is None


def test_a_closed_circuit_starts_counting_from_zero(bench: Bench) -> None:
    for _ in range(3):
        bench.fail(BROKEN)
    bench.clock.now += 60
    bench.breaker.succeeded(bench.permit())
    assert [bench.fail(BROKEN), bench.fail(BROKEN)] == [0, 0]
