"""Any JSON object is either a request or the client's own mistake, never a fault of the gateway."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.anthropic import inbound
from gateway.dialects.anthropic.native import encode_native
from gateway.dialects.anthropic.native_messages import replays_thinking, without_thinking
from gateway.failures import Failed
from gateway.hub.contracts import Inbound, Request
from gateway.hub.sealed import seal
from tests import goldens
from tests.makers import model

MANY = settings(max_examples=400, deadline=None, derandomize=True)
FACE: Inbound = inbound
"""The type checker reads here that the module is a whole face."""

BODIES = [goldens.read(case, "messages.json")["body"] for case in goldens.cases("messages.json")]
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            0,
            -1,
            1.5,
            1e400,
            2**80,
            "",
            " ",
            "x",
            "\ud800",
            [],
            {},
            [[]],
            [{}],
            {"type": {}},
        ]
    ),
    st.sampled_from(
        [
            {"type": "text"},
            {"type": []},
            {"type": "tool_use", "id": 1},
            [None],
            {"text": 1},
            "tool_use",
        ]
    ),
    st.sampled_from(
        [seal({"details": [1], "calls": {"call_1": 3}}), {"type": "thinking", "signature": 3}]
    ),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in `value`."""
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left:
        item = left.pop()
        inner = list(item.items()) if isinstance(item, dict) else list(enumerate(item))
        found += [(item, key) for key, _ in inner]
        left += [held for _, held in inner if isinstance(held, dict | list)]
    return found


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A real request with junk in up to three places."""
    body: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from(places(body)))
        container[key] = copy.deepcopy(draw(JUNK))
    return body


def read(body: dict[str, Any]) -> Request | None:
    """The request; None for one that is refused, with a 400 that names a field."""
    try:
        return inbound.decode_request(body, {})
    except Failed as error:
        failure = error.failure
    assert failure.status == 400
    assert failure.param
    return None


@given(
    bodies(),
    st.sampled_from(
        ["claude-sonnet-5", "claude-haiku-4-5", "claude-fable-5-2", "claude-3-5-haiku"]
    ),
)
@MANY
def test_junk_is_read_or_refused(body: dict[str, Any], model_id: str) -> None:
    before = repr(body)
    request = read(body)
    if request is None:
        return
    assert inbound.estimate_tokens(request) > 0
    native = encode_native(
        request, model("anthropic", model_id, thinking_level="high", cache=True)
    ).body
    assert not replays_thinking(without_thinking(native))
    assert repr(body) == before


@given(st.dictionaries(st.sampled_from(list(BODIES[0])), JUNK))
@MANY
def test_junk_alone_is_refused(body: dict[str, Any]) -> None:
    assert read(body) is None or isinstance(body["messages"], list)
