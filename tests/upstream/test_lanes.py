"""Which requests a provider of the client's own API is sent as the client wrote them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects import INBOUND
from gateway.failures import Failed, Kind
from gateway.shared.replay import Replay
from gateway.types import Agent, Attempt, Call, Client, Model
from gateway.upstream.client import UpstreamClient
from tests.makers import Clock, model
from tests.upstream.fakes import JSON, Response, Transport

GPT = model("openai", "gpt-5.5")
LARGER_GPT = model("openai", "gpt-5.4")
OTHER_GPT = model("openai", "gpt-5.5", credential="openai_key:two")
SONNET = model("anthropic", "claude-sonnet-5")

POOL = tuple(
    model("openai", "gpt-5.5", name=f"gpt@{each}", credential=f"openai_key:{each}", pool="gpt")
    for each in "ab"
)

HELLO = {"role": "user", "content": "Hello"}
TRIGGER = {"type": "compaction_trigger"}
ANSWER = {
    "id": "resp_1",
    "status": "completed",
    "model": "gpt-5.5",
    "output": [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "So far."}],
        }
    ],
}


async def sent(chain: tuple[Model, ...], *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The body that the first model of `chain` is sent by a client of Responses."""
    body = {"model": "dev", "input": [HELLO, *items], **more}
    request = INBOUND["responses"].decode_request(body, {})
    transport = Transport(Response(orjson.dumps(ANSWER), headers=JSON))
    client = UpstreamClient(
        lambda model: transport,
        lambda model, request: (),
        Replay(),
        clock=Clock(),
        wall=Clock(),
        user_agent="test",
    )
    call = Call(
        "req_1",
        Agent("dev", chain),
        Client("tests"),
        request,
        stream=False,
        received_at=0.0,
        dialect="responses",
    )
    await client.open(Attempt(chain[0], 1), call)
    return dict(orjson.loads(transport.requests[0].body))


CASES = {
    "the only model compacts in its own way": ((GPT,), True),
    "a second model of the same account reads it too": ((GPT, LARGER_GPT), True),
    "another provider could not read it": ((GPT, SONNET), False),
    "another account could not read it": ((GPT, OTHER_GPT), False),
    "nor could another account of a pool": (POOL, False),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("chain", "is_native"), CASES.values(), ids=CASES.keys())
async def test_a_conversation_is_compacted_so_that_the_whole_chain_can_read_it(
    chain: tuple[Model, ...], is_native: bool
) -> None:
    body = await sent(chain, TRIGGER)
    assert (TRIGGER in body["input"]) is is_native


@pytest.mark.anyio
async def test_any_other_request_passes_as_it_is() -> None:
    assert (await sent((GPT, SONNET)))["input"] == [HELLO]


SEARCH = {"tools": [{"type": "web_search"}], "tool_choice": "required"}
APPROVAL = {"input": [{"type": "mcp_approval_response", "approve": True}]}


@pytest.mark.anyio
@pytest.mark.parametrize("fields", [SEARCH, APPROVAL], ids=str)
async def test_what_only_this_api_has_reaches_a_provider_of_it_unchanged(
    fields: dict[str, Any],
) -> None:
    body = await sent((GPT, SONNET), **fields)
    assert {field: body[field] for field in fields} == fields


@pytest.mark.anyio
@pytest.mark.parametrize("fields", [SEARCH, APPROVAL], ids=str)
async def test_a_model_that_cannot_serve_what_only_this_api_has_is_skipped(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(Failed) as raised:
        await sent((SONNET, GPT), **fields)
    failure = raised.value.failure
    assert failure.kind is Kind.UNSUPPORTED
    assert failure.param in fields
