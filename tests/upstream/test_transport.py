"""URLs, taken apart."""

from __future__ import annotations

import pytest

from gateway.upstream.transport import TransportError
from gateway.urls import Origin, Target, target


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (
            "https://api.example.org",
            Target(Origin("https", "api.example.org", 443), b"api.example.org", b"/"),
        ),
        (
            "http://127.0.0.1:11434/v1/x?a=b&c=d",
            Target(Origin("http", "127.0.0.1", 11434), b"127.0.0.1:11434", b"/v1/x?a=b&c=d"),
        ),
        ("http://[::1]:8080/v1", Target(Origin("http", "::1", 8080), b"[::1]:8080", b"/v1")),
        (
            "https://API.example.org/V1",
            Target(Origin("https", "api.example.org", 443), b"API.example.org", b"/V1"),
        ),
        ("http://x/a#fragment", Target(Origin("http", "x", 80), b"x", b"/a")),
        (
            "http://bücher.example/",
            Target(Origin("http", "bücher.example", 80), b"xn--bcher-kva.example", b"/"),
        ),
    ],
)
def test_a_url_is_taken_apart(url: str, parts: Target) -> None:
    assert target(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://user:secret@example.org/",
        "http://user@example.org/",
        "http://example.org:99999/",
        "http://example.org:port/",
        "http://x/é",
        "http://a..b/",
    ],
)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError) as raised:
        target(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://x/a\r\nb", "http://x\r\nb: c/", "http://x/?a\tb", "http://x/a b"]
)
def test_a_url_cannot_break_a_request_line(url: str) -> None:
    try:
        parts = target(url)
    except ValueError:
        return
    assert not {b" ", b"\r", b"\n", b"\t"} & {
        bytes((byte,)) for byte in parts.path + parts.host_header
    }


def test_an_origin_names_host_and_port() -> None:
    assert str(Origin("https", "api.example.org", 443)) == "api.example.org:443"


def test_an_error_has_a_kind() -> None:
    error = TransportError("dns", "api.example.org:443: the name cannot be resolved")
    assert (error.kind, str(error)) == ("dns", "api.example.org:443: the name cannot be resolved")
