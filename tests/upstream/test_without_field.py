"""What is left out of a request that a provider refused, and what never is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from gateway.dialects import REPLAYED, Encoded
from gateway.failures import Failure, Kind
from gateway.types import Chat
from gateway.upstream.without_field import refused_path, refuses_replay, without, without_replay

BODY: dict[str, Any] = {
    "model": "m",
    "messages": [],
    "top_k": 5,
    "response_format": {"type": "json_object"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_schema"}},
    "system": "Be brief.",
    "max_completion_tokens": 5,
}
ENCODED = Encoded("/chat/completions", BODY)


def objection(param: str | None, message: str = "not supported", **more: Any) -> Failure:
    return Failure(more.pop("kind", Kind.INVALID_REQUEST), message, status=400, param=param, **more)


@pytest.mark.parametrize(
    ("failure", "path"),
    [
        (objection("top_k"), "top_k"),
        (objection("top_k", kind=Kind.UNSUPPORTED), "top_k"),
        (objection("top_k", "no", code="unsupported_parameter"), "top_k"),
        (objection("reasoning.summary"), "reasoning.summary"),
        (objection("reasoning.other"), "reasoning"),
        (objection("reasoning"), "reasoning"),
        # against its form: leaving it out does not help
        (objection("top_k", "must be an integer"), None),
        (objection("top_k", kind=Kind.RATE_LIMIT), None),
        (objection("seed"), None),  # was not sent
        (objection("response_format"), None),  # the client's code reads what this asks for
        (objection("text.format.schema"), None),
        (objection("text"), None),  # holds the format
        (objection("system"), None),
        (objection("max_completion_tokens"), None),
        (objection("messages[0].content"), None),
        (objection(None), None),
    ],
)
def test_what_may_be_left_out(failure: Failure, path: str | None) -> None:
    assert refused_path(failure, ENCODED, options={}) == path


def test_what_the_operator_states_stays() -> None:
    assert refused_path(objection("top_k"), ENCODED, options={"top_k"}) is None


def test_a_request_without_a_field() -> None:
    left = without(ENCODED._replace(dropped=("seed",)), ("top_k", "reasoning.summary", "absent"))
    assert left.dropped == ("seed", "reasoning.summary", "top_k")
    assert "top_k" not in left.body
    assert left.body["reasoning"] == {"effort": "low"}
    # what was given is not changed
    assert BODY["reasoning"] == {"effort": "low", "summary": "auto"}


def test_an_object_that_nothing_is_left_in_goes_too() -> None:
    assert "text" not in without(ENCODED, ("text.format",)).body


def test_the_instructions_of_every_format_stay() -> None:
    for field in ("instructions", "systemInstruction", "generationConfig", "toolConfig"):
        encoded = Encoded("/", {field: {"anything": 1}})
        assert (
            refused_path(
                objection(field, f'Unknown name "{field}": Cannot find field.'), encoded, {}
            )
            is None
        )


def test_reasoning_of_earlier_turns() -> None:
    sent: Chat = {
        "messages": [
            {
                "role": "assistant",
                "content": "Hi",
                "reasoning_details": [{"type": "reasoning.text"}],
            }
        ]
    }
    assert refuses_replay(objection(REPLAYED), sent)
    assert not refuses_replay(objection("messages"), sent)
    plain = without_replay(sent)
    assert plain == {"messages": [{"role": "assistant", "content": "Hi"}]}
    assert not refuses_replay(objection(REPLAYED), plain)


GOOGLES: dict[str, Any] = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
CARRIERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a message": ({"content": "Hi", **GOOGLES}, {"content": "Hi"}),
    "a tool call": (
        {"tool_calls": [{"id": "a"}, {"id": "b", **GOOGLES}]},
        {"tool_calls": [{"id": "a"}, {"id": "b"}]},
    ),
    "an image": (
        {"images": [{"type": "image_url", **GOOGLES}]},
        {"images": [{"type": "image_url"}]},
    ),
}


@pytest.mark.parametrize(("carrier", "left"), CARRIERS.values(), ids=CARRIERS.keys())
def test_signatures_of_earlier_turns_travel_in_several_places(
    carrier: dict[str, Any], left: dict[str, Any]
) -> None:
    user = {"role": "user", "content": "Hello"}
    sent: Chat = {"messages": [user, {"role": "assistant", **carrier}]}
    before = deepcopy(sent)
    assert refuses_replay(objection(REPLAYED), sent)
    plain = without_replay(sent)
    assert plain == {"messages": [user, {"role": "assistant", **left}]}
    assert not refuses_replay(objection(REPLAYED), plain)
    assert sent == before
