"""Each provider sees its key where it looks for it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.credentials.signing import Signer, sign
from gateway.credentials.store import CredentialMissing, Credentials, Found, Secret
from gateway.providers import PROVIDERS
from tests import makers

KEY = Found(Secret("k"), "test")
TOKEN = Found(Secret("k"), "test", bearer=True)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_key_goes_into_the_providers_header(provider: str) -> None:
    row = PROVIDERS[provider]
    assert sign(makers.model(provider), KEY) == (
        (row.key_header.encode(), row.key_prefix.encode() + b"k"),
    )


def test_the_headers_as_the_providers_document_them() -> None:
    assert sign(makers.model("anthropic"), KEY) == ((b"x-api-key", b"k"),)
    assert sign(makers.model("google"), KEY) == ((b"x-goog-api-key", b"k"),)
    assert sign(makers.model("openai"), KEY) == ((b"authorization", b"Bearer k"),)


def test_an_oauth_token_is_a_bearer_with_its_beta_where_there_is_one() -> None:
    assert sign(makers.model("anthropic"), TOKEN) == (
        (b"authorization", b"Bearer k"),
        (b"anthropic-beta", b"oauth-2025-04-20"),
    )
    assert sign(makers.model("google"), TOKEN) == ((b"authorization", b"Bearer k"),)


def test_a_server_without_a_key_gets_none() -> None:
    assert sign(makers.model("custom"), None) == ()


def test_a_key_header_of_the_users_own_is_not_doubled() -> None:
    assert sign(makers.model("custom", headers={"Authorization": "Basic x"}), KEY) == ()


def test_the_signer_uses_the_key_as_it_is_now(tmp_path: Path) -> None:
    credentials = Credentials({}, tmp_path)
    signer = Signer(credentials)
    with pytest.raises(CredentialMissing):
        signer(makers.model("openai"))
    credentials.put("openai_key", "default", "one")
    assert signer(makers.model("openai")) == ((b"authorization", b"Bearer one"),)
    credentials.put("openai_key", "default", "second")
    assert signer(makers.model("openai")) == ((b"authorization", b"Bearer second"),)
