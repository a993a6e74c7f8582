"""What cannot be a provider's key is an error with its cure, from every source and for every
provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.credentials.key_form import mistake
from gateway.credentials.secret import CredentialError, Found
from gateway.credentials.store import Credentials
from gateway.providers import PROVIDERS
from tests import makers
from tests.credentials.test_store import keys, put, revealed, stored

KEY = "sk-0123456789abcdef"
WRONG = [
    ("'{}'", "quotes"),
    ('"{}"', "quotes"),
    ("`{}`", "quotes"),
    ("“{}”", "quotes"),
    ('"{}', "quotes"),
    ("{}'", "quotes"),
    ("\"'{}'\"", "quotes"),
    ('"Bearer {}"', "quotes"),
    ("Bearer {}", "the key alone"),
    ("bearer  {}", "the key alone"),
    ("Bearer:{}", "the key alone"),
    ("Bearer", "the key alone"),
    ("Authorization: Bearer {}", "the key alone"),
    ("x-api-key: {}", "the key alone"),
    ("API_KEY={}", "variable's name"),
    ("export X_API_KEY={}", "variable's name"),
    ("$MY_KEY", "name of a variable"),
    ("${{MY_KEY}}", "name of a variable"),
    ("$(pass show key)", "name of a variable"),
    ("{} {}", "one line without spaces"),
    ("{}\t{}", "one line without spaces"),
    ("{}\n{}", "one line without spaces"),
    ("{}\u00a0", "one line without spaces"),
    ("\u200b{}", "one line without spaces"),
]
SOURCES = ["systemd", "staged", "store", "environment"]


def place(home: Path, source: str, provider: str, text: str) -> Credentials:
    """Credentials in which `source` alone has a key of `provider`."""
    row = PROVIDERS[provider]
    if source == "systemd":
        put(home / "systemd" / row.credential, text)
        return keys(home, CREDENTIALS_DIRECTORY=str(home / "systemd"))
    if source == "staged":
        put(home / "staged" / row.credential / "default/token", text)
        return keys(home, AL_CREDENTIALS_PATH=str(home / "staged"))
    if source == "store":
        stored(home, row.credential, text)
        return keys(home)
    return keys(home, **{row.env[0]: text})


def cases() -> list[tuple[str, str]]:
    return [
        (source, name)
        for source in SOURCES
        for name, row in PROVIDERS.items()
        if row.env or source != "environment"
    ]


@pytest.mark.parametrize(("form", "word"), WRONG)
def test_a_mistake_is_named(form: str, word: str) -> None:
    assert word in str(mistake(form.format(KEY, KEY)))


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        "gsk_a-b.c",
        "$2b$10$abc/def.",
        "bearer-token-1",
        "AbC=",
        "A_KEYS=",
        "it's",
        "aws:x/y+z==",
    ],
)
def test_what_can_be_a_key(key: str) -> None:
    assert mistake(key) is None


@pytest.mark.parametrize(("source", "provider"), cases())
@pytest.mark.parametrize("form", ["'{}'", '"{}"', "Bearer {}", "{} x"])
def test_an_invalid_key_is_an_error_and_is_never_sent(
    tmp_path: Path, source: str, provider: str, form: str
) -> None:
    credentials = place(tmp_path, source, provider, form.format(KEY))
    with pytest.raises(CredentialError) as raised:
        credentials.find(makers.model(provider))
    assert KEY not in str(raised.value)
    listed = [
        key for key in credentials.stored([PROVIDERS[provider].credential]) if key.source == source
    ]
    assert all(key.problem and KEY not in key.problem for key in listed)
    assert listed


@pytest.mark.parametrize(("source", "provider"), cases())
@pytest.mark.parametrize("form", ["{}\n", "{}\r\n", " {} "])
def test_white_space_around_a_key_is_removed(
    tmp_path: Path, source: str, provider: str, form: str
) -> None:
    found: Found | None = place(tmp_path, source, provider, form.format(KEY)).find(
        makers.model(provider)
    )
    assert revealed(found) == KEY


def test_an_invalid_key_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="the key has quotes around the key"):
        keys(tmp_path).put("openai_key", "default", f"'{KEY}'")
