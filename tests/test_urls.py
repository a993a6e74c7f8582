"""Hosts and origins: one spelling for each, and nothing for what is neither."""

from __future__ import annotations

import pytest

from gateway.urls import Address, parse_host, parse_origin


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost", Address("localhost", None)),
        ("LOCALHOST.:80", Address("localhost", 80)),
        ("localhost:", Address("localhost", None)),
        ("my_service:8484", Address("my_service", 8484)),
        ("127.0.0.1:65535", Address("127.0.0.1", 65535)),
        ("[::1]", Address("[::1]", None)),
        ("[0::0:1]:8484", Address("[::1]", 8484)),
        ("[FD00::A]", Address("[fd00::a]", None)),
    ],
)
def test_a_host(text: str, address: Address) -> None:
    assert parse_host(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        ":80",
        "a:65536",
        "a:080808",
        "a:x",
        "a:8:8",
        "a@b",
        "a b",
        "a/",
        "a?",
        "a,b",
        "a\n",
        "[::1",
        "[::g]",
    ],
)
def test_no_host(text: str) -> None:
    assert parse_host(text) is None


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://localhost:3000", "http://localhost:3000"),
        ("HTTP://LocalHost:80", "http://localhost"),
        ("https://a.example:443", "https://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("http://[0::1]:1", "http://[::1]:1"),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
        ("app://obsidian.md", "app://obsidian.md"),
        ("file://", "file://"),
        ("null", "null"),
    ],
)
def test_an_origin(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "*",
            "NULL",
            "localhost",
            "localhost:3000",
            "//a",
            "://a",
            "http://",
            "http:///",
            "http://a/",
        ),
        *(
            "http://a/b",
            "http://a?q",
            "http://a#f",
            "http://u@a",
            "http://u:p@a",
            "http://a:x",
            "http://a b",
        ),
        *("http://a\r\nx: y", "http://*.a", "http://a, http://b", "http://" + "a" * 400),
    ],
)
def test_no_origin(text: str) -> None:
    assert parse_origin(text) is None
