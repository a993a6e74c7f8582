"""Conversations for Gemini."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.google import encode_request
from tests.makers import chat, model

USER = {"role": "user", "content": "go"}


def contents(*messages: dict[str, Any], model_id: str = "gemini-3.5-flash") -> list[dict[str, Any]]:
    return list(encode_request(chat(*messages), model("google", model_id)).body["contents"])


def calls(*ids: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": "{}"}
    return {"role": "assistant", "tool_calls": [{"id": id_, "type": "function", "function": function} for id_ in ids]}


def result(id_: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def test_results_stand_in_the_order_of_their_calls() -> None:
    """No ids are sent: two calls of one tool are told apart by their place alone."""
    answers = contents(USER, calls("oslo", "rome"), result("rome", "warm"), result("oslo", "cold"))[-1]["parts"]
    assert [part["functionResponse"]["response"]["output"] for part in answers] == ["cold", "warm"]


@pytest.mark.parametrize(
    ("mime_type", "nested"),
    [("image/png", True), ("image/gif", False), ("audio/wav", False), ("application/pdf", True)],
)
def test_a_function_response_holds_what_it_may_hold(mime_type: str, nested: bool) -> None:
    file = {"type": "file", "file": {"file_data": f"data:{mime_type};base64,AAAA"}}
    response, *behind = contents(USER, calls("one"), result("one", [file]))[-1]["parts"]
    media = [{"inlineData": {"mimeType": mime_type, "data": "AAAA"}}]
    assert response["functionResponse"].get("parts", []) == (media if nested else [])
    assert behind == ([] if nested else media)


@pytest.mark.parametrize(
    ("url", "mime_type", "data"),
    [
        ("data:image/jpg;base64,AAAA", "image/jpeg", "AAAA"),
        ("data:image/svg+xml,%3Csvg%2F%3E", "image/svg+xml", "PHN2Zy8+"),
        ("data:image/svg+xml;utf8,<svg/>", "image/svg+xml", "PHN2Zy8+"),
    ],
)
def test_every_data_url_is_inline_data(url: str, mime_type: str, data: str) -> None:
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    assert contents(image)[0]["parts"] == [{"inlineData": {"mimeType": mime_type, "data": data}}]


def test_an_assistants_turn_holds_its_text_whatever_else_a_client_kept_there() -> None:
    said = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "yes"},
        {"type": "refusal", "refusal": "no"},
    ]
    assert contents(USER, {"role": "assistant", "content": said}, USER)[1]["parts"] == [{"text": "yes"}, {"text": "no"}]


@pytest.mark.parametrize(
    ("filename", "mime_type"), [("notes.txt", "text/plain"), ("a.pdf", "application/pdf"), (None, "application/pdf")]
)
def test_bare_data_is_what_its_name_says(filename: str | None, mime_type: str) -> None:
    file = {"role": "user", "content": [{"type": "file", "file": {"file_data": "AAAA", "filename": filename}}]}
    assert contents(file)[0]["parts"] == [{"inlineData": {"mimeType": mime_type, "data": "AAAA"}}]
