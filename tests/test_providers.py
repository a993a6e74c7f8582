"""The eight rows hold together, and a ninth would lack nothing without a test that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.config import schema
from gateway.credentials.signing import Signer
from gateway.credentials.store import Credentials
from gateway.dialects import DIALECTS
from gateway.lab import Lab
from gateway.lab.answers import WORDS
from gateway.lab.vendors import vendors
from gateway.providers import CREDENTIAL_TYPES, PROVIDERS, default_models
from gateway.shared.replay import Replay
from gateway.types import Attempt, Model, Provider, Quirks, Reply
from gateway.upstream.client import UpstreamClient
from gateway.upstream.http1 import Pool
from tests.makers import Clock, call
from tests.rows import lacking
from tests.upstream.wire import UVLOOP

ROWS = list(PROVIDERS.values())
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_there_are_eight() -> None:
    assert list(PROVIDERS) == [
        "anthropic",
        "openai",
        "groq",
        "google",
        "xai",
        "mistral",
        "openrouter",
        "custom",
    ]


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("anthropic", "https://api.anthropic.com"),
        ("google", "https://generativelanguage.googleapis.com/v1beta"),
        ("openai", "https://api.openai.com/v1"),
        ("groq", "https://api.groq.com/openai/v1"),
        ("xai", "https://api.x.ai/v1"),
        ("mistral", "https://api.mistral.ai/v1"),
        ("openrouter", "https://openrouter.ai/api/v1"),
        ("custom", None),
    ],
)
def test_the_addresses_of_the_contract(name: str, base_url: str | None) -> None:
    assert PROVIDERS[name].base_url == base_url


@each_row
def test_a_row_is_filed_under_its_name_and_speaks_a_dialect(row: Provider) -> None:
    assert PROVIDERS[row.name] is row
    assert row.dialect in DIALECTS
    assert row.credential == f"{row.name}_key"
    assert row.models_path.startswith("/")


@each_row
def test_an_address_is_https_and_has_no_slash_at_its_end(row: Provider) -> None:
    if row.base_url is not None:
        assert urlsplit(row.base_url).scheme == "https"
        assert not row.base_url.endswith("/")


@each_row
def test_headers_are_lower_case_and_hold_no_key(row: Provider) -> None:
    assert row.key_header == row.key_header.lower()
    assert not {name.lower() for name in row.headers} & {
        "authorization",
        "x-api-key",
        row.key_header,
    }


@each_row
def test_only_a_server_of_ones_own_may_do_without_a_key(row: Provider) -> None:
    assert row.key_optional == (row.name == "custom")
    assert bool(row.env) != row.key_optional


@each_row
def test_no_field_is_both_dropped_and_refused_and_each_has_a_reason(row: Provider) -> None:
    assert not set(row.dropped) & set(row.refused)
    assert not (set(row.dropped) | set(row.refused)) & set(row.renamed)
    assert all(reason for reason in (*row.dropped.values(), *row.refused.values()))


def test_no_two_rows_read_the_same_variable_or_store_the_same_key() -> None:
    names = [name for row in ROWS for name in row.env]
    assert len(names) == len(set(names))
    assert len(CREDENTIAL_TYPES) == len(ROWS)


def test_every_switch_of_the_chat_format_can_be_set_per_model() -> None:
    switches = set(type(PROVIDERS["custom"].quirks).__slots__)
    fields = set(schema.Compat.__struct_fields__)
    assert switches <= fields | {"api"}, switches - fields


# --- a new row ------------------------------------------------------------------------------------

BARE = Provider(
    name="acme", dialect="acme", base_url="https://api.acme.example/v2", credential="acme"
)
ACME = Provider(
    name="acme",
    dialect="chat",
    base_url="https://api.acme.example/v2",
    credential="acme_key",
    env=("ACME_API_KEY",),
    key_header="api-key",
    key_prefix="",
    key_hint="gw-acme-",
    quirks=Quirks(late_system=True),
    default_model="claude-sonnet-5",
    default_rank=8,
    price_name="anthropic",
)
TEXT = " ".join(WORDS)
"""What the lab answers to a question that asks for nothing."""
ELSEWHERE = [
    "acme: docs/providers.md: a line with name, base URL, credential and variables",
    "acme: config.toml.example: it is not among the providers",
]
"""What no row can hold."""


@each_row
def test_a_row_lacks_nothing(row: Provider) -> None:
    assert list(lacking(row)) == []


def test_a_row_that_says_nothing_is_named_everything_that_it_lacks() -> None:
    assert list(lacking(BARE)) == [
        "acme: dialects/__init__.py: DIALECTS has no such dialect",
        "acme: lab/vendors.py: APIS has no module that plays the dialect",
        "acme: credential: it is <name>_key",
        "acme: env: the variable that holds its key",
        "acme: default_model: a model of a configuration made from keys alone",
        *ELSEWHERE,
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"framing": "frames"}, "dialects/__init__.py: FRAMINGS has no such framing"),
        ({"signing": "sigv4"}, "credentials/signing.py: SIGNINGS has no such signing"),
        ({"default_rank": 99}, "default_rank: its place in the chain of such a configuration"),
        (
            {"price_name": ""},
            "price_name: the price library does not know its default model under this name",
        ),
        ({"key_hint": "acme-"}, "redact.py: its keys are not taken out of logs"),
        ({"bearer_beta": "x"}, "bearer_beta: it needs beta_header"),
        ({"models_path": "models"}, "models_path: it begins with a slash"),
    ],
)
def test_each_thing_that_a_row_lacks_is_named(change: dict[str, object], what: str) -> None:
    assert list(lacking(replace(ACME, **change))) == [f"acme: {what}", *ELSEWHERE]  # type: ignore[arg-type]


def test_a_complete_row_lacks_only_its_documents() -> None:
    assert list(lacking(ACME)) == ELSEWHERE


def test_a_new_row_comes_last_in_a_configuration_made_from_keys_alone() -> None:
    assert list(default_models([ACME, *ROWS])) == [
        "anthropic", "openai", "google", "xai", "mistral", "groq", "openrouter", "acme",
    ]  # fmt: skip


def of_row(row: Provider, base_url: str) -> Model:
    return Model(
        "any",
        row,
        row.default_model or "any",
        base_url,
        f"{row.credential}:default",
        quirks=row.quirks,
    )


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return UVLOOP


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("row", [*ROWS, ACME], ids=lambda row: row.name)
async def test_a_model_of_each_row_and_of_a_new_one_is_served_by_the_lab(
    tmp_path: Path, row: Provider, stream: bool
) -> None:
    """The way of a drill: the row's own path, header, dialect and framing, over a socket."""
    credentials, pool, clock = Credentials({}, tmp_path), Pool(), Clock()
    credentials.put(row.credential, "default", f"{row.key_hint}a-key-for-the-lab")
    sign = Signer(credentials)
    client = UpstreamClient(
        lambda model: pool, sign, Replay(), clock=clock, wall=clock, user_agent="tests"
    )
    async with Lab(vendors=vendors([*ROWS, ACME])) as lab:
        model = of_row(row, lab.base_url(row.name))
        attempt = Attempt(model, 1, started_at=clock.now)
        reply = await client.open(attempt, call(model, received_at=clock.now, stream=stream))
        text = await said(reply)
        await pool.aclose()
        path = lab.calls[0].path

    assert text == TEXT
    assert path.startswith(f"/{row.name}{urlsplit(row.base_url or '/v1').path}")


async def said(reply: Reply) -> str:
    """The text of an answer."""
    if reply.chunks is None:
        assert reply.chat is not None
        return str(reply.chat["choices"][0]["message"]["content"])
    choices = [
        choice
        async for batch in reply.chunks
        for chunk in batch.chunks
        for choice in chunk["choices"]
    ]
    await reply.chunks.aclose()
    return "".join(choice["delta"].get("content") or "" for choice in choices)
