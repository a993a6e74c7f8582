"""Addresses of Redis servers, as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.engine_urls import Address, AddressError, parse

GOOD = {
    "redis://127.0.0.1": Address((("127.0.0.1", 6379),)),
    "redis://[::1]:6380/2": Address((("::1", 6380),), database=2),
    "rediss://bot@redis.internal:6380": Address(
        (("redis.internal", 6380),), user="bot", is_tls=True
    ),
    "unix:///run/redis.sock": Address(path="/run/redis.sock"),
    "unix://bot@/run/redis.sock": Address(path="/run/redis.sock", user="bot"),
    "rediss+sentinel://a:1,b/main/3": Address(
        (("a", 1), ("b", 26379)), database=3, is_tls=True, master="main"
    ),
}
BAD = [
    "", "http://a", "redis://", "redis://a:0", "redis://a:99999", "redis://a,b", "redis://a/x",
    "redis://a?b=c", "unix://a", "unix:///", "redis+sentinel://a", "redis+sentinel://a/x y",
    "redis://bot:secret@a", "redis://:secret@a", "redis://[::1", "redis://a b",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_an_address(text: str) -> None:
    assert parse(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_not_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_other_text_is_refused_as_well(text: str) -> None:
    for start in ("", "redis://", "unix://", "redis+sentinel://"):
        with suppress(AddressError):
            assert isinstance(parse(start + text), Address)


def test_what_stays_on_this_machine() -> None:
    local = ("unix:///a", "redis://localhost", "redis://127.0.0.2:1", "redis://[::1]")
    assert all(parse(text).is_local for text in local)
    assert not parse("redis://10.0.0.1").is_local
    assert not parse("redis+sentinel://127.0.0.1,other/main").is_local
