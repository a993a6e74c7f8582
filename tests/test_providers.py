"""The eight rows hold together."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from gateway.config import schema
from gateway.dialects import DIALECTS
from gateway.providers import CREDENTIAL_TYPES, PROVIDERS
from gateway.types import Provider

ROWS = list(PROVIDERS.values())
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_there_are_eight() -> None:
    assert list(PROVIDERS) == ["anthropic", "openai", "groq", "google", "xai", "mistral", "openrouter", "custom"]


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
    assert not {name.lower() for name in row.headers} & {"authorization", "x-api-key", row.key_header}


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
