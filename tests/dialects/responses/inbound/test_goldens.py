"""Requests as clients send them, beside what the hub makes of them:
`goldens/inbound/responses/<case>/`.

`responses.json` is `{"headers"?, "body"}`; `chat.json` is `{"chat", "dropped"}`. After a wanted
change, `GOLDENS=write` writes what came out; read the diff before you commit it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.dialects import DIALECTS
from gateway.dialects.responses import inbound
from gateway.dialects.responses.inbound.history import expand
from gateway.dialects.responses.native import encode_native
from tests.dialects.responses.inbound.makers import nothing_stored
from tests.dialects.responses.inbound.test_order import check_pairs
from tests.goldens import FOLDER, WRITING
from tests.makers import model

CASES = sorted((FOLDER / "inbound" / "responses").iterdir())
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each_case
def test_a_client_s_request_in_the_words_of_the_hub(case: Path) -> None:
    golden = json.loads((case / "responses.json").read_text())
    decoded = inbound.decode_request(
        expand(golden["body"], nothing_stored), golden.get("headers", {})
    )
    found = {"chat": json.loads(json.dumps(decoded.chat)), "dropped": list(decoded.dropped)}
    path = case / "chat.json"
    if WRITING:
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())
    check_pairs(found["chat"]["messages"])


@each_case
@pytest.mark.parametrize("provider", ["anthropic", "google", "mistral", "custom"])
def test_every_provider_takes_what_the_hub_has(case: Path, provider: str) -> None:
    golden = json.loads((case / "responses.json").read_text())
    decoded = inbound.decode_request(
        expand(golden["body"], nothing_stored), golden.get("headers", {})
    )
    target = model(provider)
    encoded = DIALECTS[target.provider.dialect].encode_request(decoded.chat, target)
    assert json.dumps(encoded.body)


@each_case
def test_on_the_native_lane_the_request_is_the_client_s_own(case: Path) -> None:
    golden = json.loads((case / "responses.json").read_text())
    decoded = inbound.decode_request(
        expand(golden["body"], nothing_stored), golden.get("headers", {})
    )
    sent = encode_native(decoded, model("openai", "gpt-5.6-sol")).body
    same = golden["body"].keys() - {
        "model",
        "store",
        "stream_options",
        "client_metadata",
        "include",
        "temperature",
    }
    assert {key: sent[key] for key in same} == {key: golden["body"][key] for key in same}
    assert "reasoning.encrypted_content" in sent["include"]
