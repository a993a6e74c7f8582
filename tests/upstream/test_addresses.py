"""No address of a provider is in anything that a client sees."""

from __future__ import annotations

import pytest

from gateway.failures import Failure, Kind
from gateway.upstream.addresses import without_addresses


@pytest.mark.parametrize(
    ("url", "message", "shown"),
    [
        (
            "http://127.0.0.1:36351/v1",
            "127.0.0.1:36351: the connection broke off",
            "***: the connection broke off",
        ),
        ("http://127.0.0.1:36351/v1", "at http://127.0.0.1:36351/v1/x?y=1.", "at ***"),
        (
            "https://api.vendor.test/v1",
            "see https://api.vendor.test/v1/models for more",
            "see *** for more",
        ),
        ("https://api.vendor.test/v1", "see HTTPS://API.Vendor.test:443/x", "see ***"),
        (
            "https://api.vendor.test/v1",
            "api.vendor.test | 502: Bad gateway",
            "*** | 502: Bad gateway",
        ),
        (
            "https://api.vendor.test/v1",
            "see https://docs.vendor.test/errors",
            "see https://docs.vendor.test/errors",
        ),
        ("http://ollama:11434/v1", "dial tcp: ollama:11434 refused", "dial tcp: *** refused"),
        (
            "http://ollama:11434/v1",
            "ollama does not support tools",
            "ollama does not support tools",
        ),
        ("http://[::1]:8080/v1", "cannot reach [::1]:8080", "cannot reach ***"),
        ("https://a.test", "dial tcp 10.0.3.7: timeout", "dial tcp ***: timeout"),
        ("https://a.test", "upstream 203.0.113.9:8443 reset", "upstream *** reset"),
        ("https://a.test", "version 4.5.6 of 2026.10.1.3", "version 4.5.6 of 2026.10.1.3"),
    ],
)
def test_the_host_is_hidden_in_every_form(url: str, message: str, shown: str) -> None:
    assert without_addresses(Failure(Kind.UNAVAILABLE, message), url).message == shown


def test_the_proxy_and_the_other_fields_are_hidden_too() -> None:
    failure = Failure(
        Kind.INVALID_REQUEST, "no", param="http://proxy.test:3128/x", code="proxy.test", type="ok"
    )
    found = without_addresses(failure, "https://a.test", "http://proxy.test:3128")
    assert (found.param, found.code, found.type) == ("***", "***", "ok")


def test_the_detail_keeps_the_address_for_the_log() -> None:
    failure = Failure(Kind.UNAVAILABLE, "cannot connect", detail="a.test:443: refused")
    assert (
        without_addresses(failure, "https://a.test").for_log
        == "cannot connect (a.test:443: refused)"
    )


def test_a_long_text_costs_linear_time() -> None:
    text = "http://" + "a" * 2000 + " a.test/" * 200
    assert (
        "a.test" not in without_addresses(Failure(Kind.UNAVAILABLE, text), "https://a.test").message
    )
