"""Files by their address, and reasoning that belongs to another account: where they may go."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects import DIALECTS, INBOUND
from gateway.hub.contracts import Unsupported
from tests.makers import chat, model

PDF = "https://a.example/b.pdf?x=1"


def encoded(provider: str, *messages: dict[str, Any], dialect: str | None = None) -> str:
    target = model(provider)
    face = DIALECTS[dialect or target.provider.dialect]
    return str(face.encode_request(chat(*messages), target).body)


def by_address(url: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "file", "file": {"file_data": url}}]}


BY_ADDRESS: list[tuple[str, str, dict[str, Any]]] = [
    ("anthropic", "anthropic", {"type": "document", "source": {"type": "url", "url": PDF}}),
    ("google", "google", {"fileData": {"fileUri": PDF, "mimeType": "application/pdf"}}),
    ("mistral", "chat", {"type": "document_url", "document_url": PDF}),
    ("openai", "responses", {"type": "input_file", "file_url": PDF}),
]

WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat, in place of the data": ("chat", {"messages": [by_address(PDF)]}),
    "chat, as its address": (
        "chat",
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_url": PDF}}]}]},
    ),
    "responses": (
        "responses",
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": PDF}]}]},
    ),
    "messages": (
        "anthropic",
        {
            "max_tokens": 99,
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "document", "source": {"type": "url", "url": PDF}}],
                }
            ],
        },
    ),
}
"""Every way in which clients give a file by its address: the client's API, and the request."""


@pytest.mark.parametrize(("client", "body"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("provider", "dialect", "wanted"), BY_ADDRESS)
def test_a_file_by_its_address_stays_one(
    client: str, body: dict[str, Any], provider: str, dialect: str, wanted: dict[str, Any]
) -> None:
    request = INBOUND[client].decode_request({"model": "dev", **body}, {})
    found = DIALECTS[dialect].encode_request(request.chat, model(provider))
    assert str(wanted) in str(found.body)
    assert found.dropped == request.dropped == ()


@pytest.mark.parametrize("provider", ["anthropic", "google", "mistral"])
@pytest.mark.parametrize(
    ("file", "words"), [({"file_id": "file_1"}, "uploaded file's id"), ({}, "neither data nor")]
)
def test_a_file_that_cannot_be_read_says_why(
    provider: str, file: dict[str, Any], words: str
) -> None:
    message = {"role": "user", "content": [{"type": "file", "file": file}]}
    with pytest.raises(Unsupported) as raised:
        encoded(provider, message)
    assert words in raised.value.failure.message


@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_a_server_that_takes_no_addresses_says_so(provider: str) -> None:
    with pytest.raises(Unsupported):
        encoded(provider, by_address(PDF))


@pytest.mark.parametrize("url", ["https://[", "http://a.example:x/b", "https://"])
def test_a_broken_address_breaks_nothing(url: str) -> None:
    assert url in encoded("google", by_address(url))
    assert url in encoded(
        "google", {"role": "user", "content": [{"type": "image_url", "image_url": url}]}
    )


def test_thinking_of_anthropics_own_api_goes_to_no_router() -> None:
    own = {"type": "reasoning.text", "text": "a", "signature": "s", "id": "anthropic:0"}
    routers = {"type": "reasoning.text", "text": "b", "signature": "t", "id": "r_1"}
    answer = {"role": "assistant", "content": "ok", "reasoning_details": [own, routers]}
    found = encoded(
        "openrouter", {"role": "user", "content": "Hi"}, answer, {"role": "user", "content": "So?"}
    )
    assert "r_1" in found
    assert "anthropic:0" not in found
