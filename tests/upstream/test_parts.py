"""Embeddings as one attempt: parts in order, what they cost together, and what is left out when a
provider objects."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects import EMBEDDINGS_INBOUND
from gateway.failures import Kind
from gateway.types import Agent, Call, Client, Model, Usage
from tests.makers import model
from tests.upstream.fakes import JSON, Response
from tests.upstream.test_client import Trying, error

CUSTOM = model("custom", "bge-m3", base_url="http://test/v1")
MISTRAL = model("mistral", "codestral-embed")


def vectors(count: int, **usage: Any) -> Response:
    data = [{"index": index, "embedding": [float(index)]} for index in range(count)]
    body = {"data": data, "model": "served", **({"usage": usage} if usage else {})}
    return Response(orjson.dumps(body), headers=JSON)


def trying(
    *answers: Response, chosen: Model = CUSTOM, unsupported: Any = "warn", **body: Any
) -> Trying:
    """An attempt of an embeddings call."""
    found = Trying(*answers, chosen=chosen)
    request = EMBEDDINGS_INBOUND["chat"].decode_request(
        {"model": "dev", "input": "Hello", **body}, {}
    )
    agent = Agent("dev", (chosen,), unsupported)
    found.call = Call(
        "req_1", agent, Client("tests"), request, False, found.clock.now, operation="embed"
    )
    return found


@pytest.mark.anyio
async def test_one_request_where_the_provider_takes_all_inputs() -> None:
    one = trying(vectors(2, prompt_tokens=4, total_tokens=4), input=["a", "b"])
    reply = await one.open()
    assert one.transport.requests[0].url == "http://test/v1/embeddings"
    assert one.sent() == {"model": "bge-m3", "input": ["a", "b"]}
    assert (reply.model, one.attempt.usage) == ("served", Usage(input=4))
    assert one.attempt.committed_at is not None
    assert one.are_closed


@pytest.mark.anyio
async def test_parts_are_asked_for_in_order_and_counted_together() -> None:
    answers = (
        vectors(256, prompt_tokens=3, cost=0.5),
        vectors(256),
        vectors(1, prompt_tokens=1, cost=0.25),
    )
    three = trying(*answers, input=[str(number) for number in range(513)])
    reply = await three.open()
    assert [len(three.sent(number)["input"]) for number in range(3)] == [256, 256, 1]
    assert three.sent(2)["input"] == ["512"]
    assert reply.chat is not None
    assert [entry["index"] for entry in reply.chat["data"]] == list(range(513))
    assert three.attempt.usage == Usage(input=4, cost=0.75)
    assert three.are_closed


@pytest.mark.anyio
async def test_a_part_that_fails_leaves_the_attempt_uncommitted_and_its_cost_known() -> None:
    refused = error("slow down", 429)
    two = trying(vectors(256, prompt_tokens=3), refused, input=["a"] * 300)
    failure = await two.failure()
    assert failure.kind is Kind.RATE_LIMIT
    assert failure.message == "inputs 256 to 299: slow down"
    assert two.attempt.committed_at is None
    assert two.attempt.usage == Usage(input=3)
    assert two.are_closed


@pytest.mark.anyio
async def test_parts_with_vectors_of_two_lengths_are_malformed() -> None:
    other = Response(orjson.dumps({"data": [{"index": 0, "embedding": [1.0, 2.0]}]}), headers=JSON)
    two = trying(vectors(256), other, input=["a"] * 257)
    assert (await two.failure()).kind is Kind.MALFORMED
    assert two.attempt.committed_at is None


@pytest.mark.anyio
async def test_a_refused_user_is_left_out_and_named() -> None:
    refusal = error("Unsupported parameter: 'user' is not supported", param="user")
    two = trying(refusal, vectors(1), user="me")
    await two.open()
    assert ["user" in two.sent(number) for number in range(2)] == [True, False]
    assert two.attempt.dropped == ("user",)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("chosen", "field", "value", "sent"),
    [
        (CUSTOM, "dimensions", 8, "dimensions"),
        (CUSTOM, "input_type", "query", "input_type"),
        (MISTRAL, "dimensions", 8, "output_dimension"),
    ],
)
async def test_a_field_that_shapes_the_vectors_is_never_left_out(
    chosen: Model, field: str, value: Any, sent: str
) -> None:
    refusal = error(f"Unsupported parameter: '{sent}' is not supported with this model", param=sent)
    one = trying(refusal, chosen=chosen, **{field: value})
    assert (await one.failure()).verdict.status == 400
    assert len(one.transport.requests) == 1


@pytest.mark.anyio
async def test_an_agent_that_rejects_losses_refuses_them_here_too() -> None:
    one = trying(chosen=MISTRAL, unsupported="reject", user="me")
    failure = await one.failure()
    assert (failure.kind, failure.param) == (Kind.UNSUPPORTED, "user")
    assert one.transport.requests == []


@pytest.mark.anyio
async def test_a_refused_field_of_another_name_is_the_clients_own() -> None:
    refusal = error("output_dimension: Input should be less than or equal to 3072", 422)
    one = trying(refusal, chosen=MISTRAL, dimensions=9999)
    assert (await one.failure()).kind is Kind.INVALID_REQUEST
