"""The token bucket, with each provider's own headers about it."""

from __future__ import annotations

from types import ModuleType

import pytest

from gateway.lab import Limit, anthropic, chat, google
from gateway.lab.answers import Asked
from gateway.lab.play import Played, play
from gateway.text import ratelimits
from tests.makers import Clock

NOW = 1_800_000_000.0


class Bucket:
    """A limit on a clock that tests move."""

    def __init__(self, requests: int, per_s: float) -> None:
        self.clock = Clock()
        self.limit = Limit(requests, per_s, clock=self.clock, wall=lambda: NOW)

    def ask(self, api: ModuleType = chat) -> Played:
        return self.limit.applied(play("ok", api, Asked("m", "Hello"), "1"), api)


def test_a_bucket_holds_its_stated_size_and_no_more() -> None:
    bucket = Bucket(3, 60)
    assert [bucket.ask().status for _ in range(5)] == [200, 200, 200, 429, 429]


def test_a_bucket_fills_evenly() -> None:
    bucket = Bucket(3, 60)
    for _ in range(3):
        bucket.ask()
    assert bucket.ask().headers["retry-after"] == "20"
    bucket.clock.now += 19.9
    assert bucket.ask().status == 429
    bucket.clock.now += 0.2
    assert [bucket.ask().status, bucket.ask().status] == [200, 429]


def test_a_bucket_never_holds_more_than_its_size() -> None:
    bucket = Bucket(2, 1)
    bucket.clock.now += 1_000
    assert [bucket.ask().status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("api", [anthropic, chat], ids=["anthropic", "chat"])
def test_the_gateway_understands_its_headers(api: ModuleType) -> None:
    bucket = Bucket(2, 60)
    assert ratelimits.empty_for_s(bucket.ask(api).headers, NOW) is None
    assert ratelimits.empty_for_s(bucket.ask(api).headers, NOW) == 60


def test_one_provider_sends_no_rate_limit_headers() -> None:
    assert set(Bucket(1, 1).ask(google).headers) == {"content-type"}
