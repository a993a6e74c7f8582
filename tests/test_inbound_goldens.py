"""One request of a client beside all its translations.

`goldens/inbound/<face>/<case>/`: `<face>.json` is what the client sends (`headers`, `body`),
`chat.json` the hub's form of it with what is lost (`dropped`), and `<target>.json` what each
provider gets. Adding a case is adding a folder with its first file; `GOLDENS=write` writes the
others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from gateway.dialects import DIALECTS, choose
from gateway.dialects.anthropic import inbound
from gateway.dialects.anthropic.native import encode_native
from gateway.failures import Failed
from gateway.hub import exact_json
from gateway.hub.contracts import Encoded, Request
from gateway.types import Model
from tests.goldens import FOLDER, WRITING
from tests.makers import model

Encode = Callable[[Request, Model], Encoded]


def through_the_hub(request: Request, target: Model) -> Encoded:
    return DIALECTS[choose(request.chat, target)].encode_request(request.chat, target)


TARGETS: Final[Mapping[str, tuple[Encode, Model]]] = {
    "anthropic@native": (encode_native, model("anthropic", "claude-sonnet-5")),
    "anthropic@native-4-5": (encode_native, model("anthropic", "claude-haiku-4-5")),
    "anthropic@hub": (through_the_hub, model("anthropic", "claude-sonnet-5")),
    "openai": (through_the_hub, model("openai", "gpt-5.5")),
    "google": (through_the_hub, model("google")),
    "mistral": (through_the_hub, model("mistral")),
}
CASES: Final = sorted(path.name for path in (FOLDER / "inbound" / "messages").iterdir())


def request_of(case: str) -> Request:
    golden = exact_json.loads(
        (FOLDER / "inbound" / "messages" / case / "messages.json").read_bytes()
    )
    return inbound.decode_request(golden["body"], golden["headers"])


def check(case: str, name: str, found: Mapping[str, Any]) -> None:
    path = FOLDER / "inbound" / "messages" / case / f"{name}.json"
    if WRITING:
        path.write_text(pretty(found))
    assert pretty(found) == path.read_text()


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_the_hubs_form(case: str) -> None:
    request = request_of(case)
    check(case, "chat", {"chat": request.chat, "dropped": list(request.dropped)})


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("target", TARGETS)
def test_each_translation(case: str, target: str) -> None:
    encode, to = TARGETS[target]
    try:
        encoded = encode(request_of(case), to)
    except Failed as failed:
        check(case, target, {"unsupported": failed.failure.param})
        return
    found = {"path": encoded.path, "headers": dict(encoded.headers), "body": encoded.body}
    check(case, target, {**found, "dropped": list(encoded.dropped)})
