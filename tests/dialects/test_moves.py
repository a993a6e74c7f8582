"""Conversations that move: begun through one client API at one provider, and continued through the
same API at others.

What a client keeps is what it was sent, read by the accumulators of its API. Every provider must
accept it, no signature may reach a provider other than the one that made it, and where a
conversation comes back its own signatures are there again.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import DIALECTS, INBOUND, NATIVE, Encoded, choose
from gateway.hub.contracts import Answer
from gateway.hub.exact_json import dumps
from gateway.hub.sealed import PREFIX
from gateway.lab import anthropic, chat, google, responses
from gateway.lab.play import play
from gateway.shared.replay import Replay
from gateway.types import Attempt, Model, Request, Timeouts
from gateway.upstream.stream import AnswerStream
from gateway.upstream.tap import Record
from tests.dialects.accumulate import accumulated
from tests.dialects.anthropic.inbound.reader import read as read_message
from tests.dialects.strict import STRICT
from tests.makers import IDS, Clock, model
from tests.upstream.fakes import Response

MANY = settings(max_examples=40, deadline=None, derandomize=True)
LAB = {"anthropic": anthropic, "chat": chat, "google": google, "responses": responses}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LAB_SIGNATURE = b"bGFi"
SIGNING = ("anthropic", "google", "openai-responses")
"""Who signs its thoughts or calls in the lab."""


def target(name: str) -> Model:
    """The model of that name; `openai-responses@b` is asked with another account."""
    name, _, account = name.partition("@")
    provider = name.partition("-")[0]
    more = {"credential": f"{provider}_key:{account}"} if account else {}
    return model(
        provider, "gpt-6-luna" if name == "openai-responses" else IDS[provider], name=name, **more
    )


def signature(name: str) -> str:
    """A signature that only this provider makes."""
    return base64.b64encode(f"signed by {name}".encode()).decode()


class Conversation:
    """What a client of one API keeps. `turn` asks one provider, answers its tool calls, and
    remembers."""

    def __init__(self, api: str) -> None:
        self.api = api
        self.kept: list[Any] = []
        self.vault = Replay()

    async def turn(self, name: str, text: str) -> bytes:
        """Asks, until no tool is called. Returns the last request as the provider was sent it."""
        self.kept.append({"role": "user", "content": text})
        sent = await self._ask(name)
        if self._answer_calls():
            sent = await self._ask(name)
        return sent

    async def _ask(self, name: str) -> bytes:
        chosen = target(name)
        request = INBOUND[self.api].decode_request(self._body(), {})
        dialect = choose(request.chat, chosen, self.api)
        if dialect == self.api and dialect in NATIVE:
            encoded = NATIVE[self.api].encode(request, chosen)
        else:
            encoded = DIALECTS[dialect].encode_request(
                self.vault.restore("me", request.chat), chosen
            )
        sent = dumps(encoded.body)
        if dialect == "anthropic" or not encoded.native:
            STRICT[RULES.get(dialect, name)](orjson.loads(sent))
        asked = LAB[dialect].asked(orjson.loads(sent), encoded.path)
        assert asked is not None, "the lab refuses it"
        data = _played(dialect, asked, f"{name}{len(self.kept)}").replace(
            LAB_SIGNATURE, signature(name).encode()
        )
        self._keep(await self._read(dialect, encoded, request, data))
        return sent

    async def _read(self, dialect: str, encoded: Encoded, request: Request, data: bytes) -> bytes:
        record = Record(Attempt(model("custom"), 1), self.vault, "me")
        stream = AnswerStream(
            Response(data), DIALECTS[dialect], encoded, Timeouts(), Clock(), record
        )
        encoder = INBOUND[self.api].StreamEncoder(Answer(str(len(self.kept)), 1, "m", request))
        await stream.begin(2000.0)
        out = b"".join([encoder.encode(batch) async for batch in stream])
        return out + encoder.done()

    def _body(self) -> dict[str, Any]:
        return BODIES[self.api] | {"input" if self.api == "responses" else "messages": self.kept}

    def _keep(self, data: bytes) -> None:
        if self.api == "anthropic":
            self.kept.append({"role": "assistant", "content": read_message(data)["content"]})
        elif self.api == "responses":
            last = data.rstrip().rpartition(b"data: ")[2]
            self.kept += orjson.loads(last)["response"]["output"]
        else:
            pieces = [line[6:] for line in data.split(b"\n") if line.startswith(b"data: {")]
            message = accumulated(map(orjson.loads, pieces))["choices"][0]["message"]
            self.kept.append(message | {"role": "assistant"})

    def _answer_calls(self) -> bool:
        """Adds the result of every call of the last answer; whether there was one."""
        last = self.kept[-1]
        if self.api == "anthropic":
            calls = [block["id"] for block in last["content"] if block["type"] == "tool_use"]
            results = [
                {"type": "tool_result", "tool_use_id": id_, "content": "4C"} for id_ in calls
            ]
            self.kept += [{"role": "user", "content": results}] if results else []
        elif self.api == "responses":
            calls = [last["call_id"]] if last["type"] == "function_call" else []
            self.kept += [
                {"type": "function_call_output", "call_id": id_, "output": "4C"} for id_ in calls
            ]
        else:
            calls = [call["id"] for call in last.get("tool_calls") or ()]
            self.kept += [{"role": "tool", "tool_call_id": id_, "content": "4C"} for id_ in calls]
        return bool(calls)


RULES = {"anthropic": "anthropic", "google": "google", "responses": "openai-responses"}
"""Dialect → whose rules hold; those of the provider itself for any other."""
BODIES: dict[str, dict[str, Any]] = {
    "chat": {
        "model": "dev",
        "reasoning_effort": "low",
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}],
    },
    "responses": {
        "model": "dev",
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "tools": [{"type": "function", "name": "look_up", "parameters": SCHEMA}],
    },
    "anthropic": {
        "model": "dev",
        "max_tokens": 9000,
        "thinking": {"type": "adaptive"},
        "tools": [{"name": "look_up", "input_schema": SCHEMA}],
    },
}


def _played(dialect: str, asked: Any, id_: str) -> bytes:
    steps = play("ok", LAB[dialect], asked, id_).steps
    return b"".join(step for step in steps if isinstance(step, bytes))


def leaked(sent: bytes, name: str) -> list[str]:
    """Whose signatures are in a request for `name` besides its own; sealed ones belong in no
    request."""
    assert PREFIX.encode() not in sent
    return [other for other in STRICT if other != name and signature(other).encode() in sent]


@pytest.mark.parametrize("api", BODIES)
@given(
    route=st.lists(st.sampled_from([*STRICT]), min_size=2, max_size=4),
    texts=st.lists(st.sampled_from(["say: Hello", "look_up please"]), min_size=4, max_size=4),
)
@MANY
def test_every_provider_goes_on_with_what_another_began(
    api: str, route: list[str], texts: list[str]
) -> None:
    asyncio.run(goes_on(api, route, texts))


async def goes_on(api: str, route: list[str], texts: list[str]) -> None:
    talk = Conversation(api)
    for name, text in zip(route, texts, strict=False):
        assert leaked(await talk.turn(name, text), name) == []


@pytest.mark.anyio
@pytest.mark.parametrize("api", BODIES)
@pytest.mark.parametrize("away", ["anthropic", "google", "openai-responses", "mistral"])
@pytest.mark.parametrize("home", SIGNING)
async def test_signatures_come_back_where_they_were_made(api: str, home: str, away: str) -> None:
    """Also when the middle of the conversation was served by another provider, as after a 429."""
    talk = Conversation(api)
    assert signature(home).encode() in await talk.turn(home, "look_up please"), (
        "not even in its own tool loop"
    )
    assert leaked(await talk.turn(away, "look_up please"), away) == []
    again = await talk.turn(home, "look_up please")
    assert again.count(signature(home).encode()) >= 2
    assert leaked(again, home) == []


@pytest.mark.anyio
@pytest.mark.parametrize("api", ["chat", "anthropic"])
async def test_encrypted_reasoning_does_not_reach_another_account(api: str) -> None:
    """OpenAI's own clients carry it unsealed: there the provider's refusal takes it away
    (`native.again`)."""
    talk = Conversation(api)
    assert signature("openai-responses").encode() in await talk.turn(
        "openai-responses", "look_up please"
    )
    assert signature("openai-responses").encode() not in await talk.turn(
        "openai-responses@b", "say: Hello"
    )
    assert signature("openai-responses").encode() in await talk.turn(
        "openai-responses", "say: Hello"
    )
