"""Signatures of texts and of images go to the client, and come back on the same parts."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import sse
from gateway.dialects import Encoded
from gateway.dialects.google import StreamDecoder, decode_response, encode_request
from gateway.hub import exact_json
from gateway.shared.replay import Replay
from gateway.types import Attempt, Chat
from gateway.upstream.tap import Record
from tests.dialects.accumulate import accumulated
from tests.makers import chat, model

ENCODED = Encoded("/x", {})
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "c2ln"}
GEMINI = model("google", "gemini-3-pro-image")


def answer(*parts: dict[str, Any], stream: bool) -> Any:
    body = {
        "candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP"}],
        "responseId": "r",
    }
    if not stream:
        return decode_response(body, ENCODED)["choices"][0]["message"]
    decoder = StreamDecoder(ENCODED)
    chunks = decoder.decode(sse.Event(b"", exact_json.dumps(body))) + decoder.flush()
    return accumulated(chunks)["choices"][0]["message"]


def sent_again(message: dict[str, Any], replay: Replay | None = None) -> list[dict[str, Any]]:
    user = {"role": "user", "content": "a boat"}
    body: Chat = chat(user, message, {"role": "user", "content": "now blue"})
    if replay is not None:
        body = replay.restore("me", body)
    contents = encode_request(body, GEMINI).body["contents"]
    return [part for content in contents if content["role"] == "model" for part in content["parts"]]


CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "each on its own part": (
        [{"text": "Here.", "thoughtSignature": "s"}, IMAGE],
        [{"text": "Here.", "thoughtSignature": "s"}, IMAGE],
    ),
    "behind the text, on an empty part": (
        [{"text": "He"}, {"text": "re."}, {"text": "", "thoughtSignature": "s"}],
        [{"text": "Here.", "thoughtSignature": "s"}],
    ),
    "of several texts, the last": (
        [{"text": "a", "thoughtSignature": "1"}, {"text": "b", "thoughtSignature": "2"}],
        [{"text": "ab", "thoughtSignature": "2"}],
    ),
    ("of a thought, which does "
     "not go back"): ([{"text": "hm", "thought": True, "thoughtSignature": "s"}, {"text": "a"}],
                                             [{"text": "a"}]),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_message_sent_back_as_it_came_has_its_signatures(case: str, stream: bool) -> None:
    parts, expected = CASES[case]
    assert sent_again(answer(*parts, stream=stream)) == expected


@pytest.mark.parametrize("stream", [False, True])
def test_the_vault_has_them_where_the_client_drops_them(stream: bool) -> None:
    replay = Replay()
    record = Record(Attempt(GEMINI, 1), replay, "me")
    parts, expected = CASES["each on its own part"]
    body = {
        "candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}],
        "responseId": "r",
    }
    if stream:
        decoder = StreamDecoder(ENCODED)
        record.see(decoder.decode(sse.Event(b"", exact_json.dumps(body))) + decoder.flush())
        record.done()
    else:
        record.see_whole(decode_response(body, ENCODED))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert (
        sent_again({"role": "assistant", "content": "Here.", "images": [image]}, replay) == expected
    )


@pytest.mark.parametrize(
    "extra", [None, "x", [], {"google": None}, {"google": {"thought_signature": 1}}]
)
def test_invalid_signatures_of_a_client_are_ignored(extra: Any) -> None:
    message = {"role": "assistant", "content": "Here.", "extra_content": extra}
    assert sent_again(message) == [{"text": "Here."}]


@pytest.mark.parametrize(
    "images", [None, "x", [1], [{}], [{"image_url": "x"}], [{"image_url": {"url": 1}}]]
)
def test_odd_images_break_nothing(images: Any) -> None:
    assert sent_again({"role": "assistant", "content": "Here.", "images": images}) == [
        {"text": "Here."}
    ]
