"""Conversations for Gemini."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.google import encode_request
from gateway.dialects.google.messages import UNSIGNED
from tests.makers import chat, model

USER = {"role": "user", "content": "go"}


def contents(*messages: dict[str, Any], model_id: str = "gemini-3.5-flash") -> list[dict[str, Any]]:
    return list(encode_request(chat(*messages), model("google", model_id)).body["contents"])


def calls(*ids: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": "{}"}
    return {
        "role": "assistant",
        "tool_calls": [{"id": id_, "type": "function", "function": function} for id_ in ids],
    }


def result(id_: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def test_results_are_in_the_order_of_their_calls() -> None:
    """No ids are sent: the place alone distinguishes two calls of one tool."""
    answers = contents(USER, calls("oslo", "rome"), result("rome", "warm"), result("oslo", "cold"))[
        -1
    ]["parts"]
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
    assert contents(USER, {"role": "assistant", "content": said}, USER)[1]["parts"] == [
        {"text": "yes"},
        {"text": "no"},
    ]


@pytest.mark.parametrize(
    ("filename", "mime_type"),
    [("notes.txt", "text/plain"), ("a.pdf", "application/pdf"), (None, "application/pdf")],
)
def test_data_without_a_type_has_the_type_of_its_file_name(
    filename: str | None, mime_type: str
) -> None:
    file = {
        "role": "user",
        "content": [{"type": "file", "file": {"file_data": "AAAA", "filename": filename}}],
    }
    assert contents(file)[0]["parts"] == [{"inlineData": {"mimeType": mime_type, "data": "AAAA"}}]


# --- what a turn of the model's comes back with ---------------------------------------------------

DRAWN = "data:image/png;base64,iVBORw0KGgo="
SIGNED: dict[str, dict[str, Any]] = {
    "as extra content": {"extra_content": {"google": {"thought_signature": "c2ln"}}},
    "bare": {"thought_signature": "c2ln"},
    "as the provider writes it": {"thoughtSignature": "c2ln"},
}
DETAILS = [
    {"type": "reasoning.encrypted", "id": "google:0", "format": "google-gemini-v1", "data": "c2ln"}
]


def test_a_signature_among_the_reasoning_details_comes_back_on_the_text() -> None:
    expected = [{"text": "Hi", "thoughtSignature": "c2ln"}]
    assert model_turn({"content": "Hi", "reasoning_details": DETAILS}) == expected
    foreign = [{**DETAILS[0], "id": "anthropic:0"}, "x"]
    assert model_turn({"content": "Hi", "reasoning_details": foreign}) == [{"text": "Hi"}]


def model_turn(
    message: dict[str, Any], model_id: str = "gemini-3-pro-image"
) -> list[dict[str, Any]]:
    request = chat(
        {"role": "user", "content": "Hi"},
        {"role": "assistant", **message},
        {"role": "user", "content": "?"},
    )
    body = encode_request(request, model("google", model_id)).body
    return list(body["contents"][1]["parts"])


@pytest.mark.parametrize("signed", SIGNED.values(), ids=SIGNED)
def test_text_comes_back_with_its_signature(signed: dict[str, Any]) -> None:
    expected = [{"text": "Hi", "thoughtSignature": "c2ln"}]
    assert model_turn({"content": "Hi", **signed}) == expected
    assert model_turn({"content": [{"type": "text", "text": "Hi", **signed}]}) == expected


@pytest.mark.parametrize("signed", SIGNED.values(), ids=SIGNED)
@pytest.mark.parametrize("field", ["images", "content"])
def test_an_image_comes_back_with_its_signature(signed: dict[str, Any], field: str) -> None:
    image = {"type": "image_url", "image_url": {"url": DRAWN}, **signed}
    inline = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    assert model_turn({field: [image]}) == [{**inline, "thoughtSignature": "c2ln"}]


def test_an_image_of_another_model_says_that_it_has_no_signature() -> None:
    image = {"type": "image_url", "index": 0, "image_url": {"url": DRAWN}}
    [part] = model_turn({"images": [image]})
    assert part["thoughtSignature"] == UNSIGNED
    [part] = model_turn({"images": [image]}, "gemini-2.5-flash")
    assert "thoughtSignature" not in part


def test_a_signature_without_text_comes_back_on_an_empty_one() -> None:
    image = {"type": "image_url", "image_url": {"url": DRAWN}, "thought_signature": "aW1n"}
    parts = model_turn({"images": [image], "thought_signature": "c2ln"})
    assert [part["thoughtSignature"] for part in parts] == ["aW1n", "c2ln"]
    assert parts[1] == {"text": "", "thoughtSignature": "c2ln"}


@pytest.mark.parametrize("images", ["x", [5], [{"image_url": "x"}], [{"image_url": {}}], {}])
def test_images_of_another_form_are_left_out(images: Any) -> None:
    assert model_turn({"content": "Hi", "images": images}) == [{"text": "Hi"}]
