"""Values by which clients say nothing, numbers as text, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.chat.normalize import normalize
from gateway.failures import UNREADABLE, Failed
from gateway.hub.exact_json import parse_object as parse

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "f"}}


def fields(**given: Any) -> dict[str, Any]:
    chat = normalize({"model": "dev", "messages": [USER], **given})
    return {key: value for key, value in chat.items() if key not in ("model", "messages")}


LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict")
ABSENT: list[tuple[str, Any]] = [
    *((field, value) for field in LIMITS for value in (-1, 0, -1.0, "-1", "", None)),
    ("n_predict", -2),
    ("seed", -1),
    ("seed", "-1"),
    ("top_k", -1),
    ("top_k", 0),
    ("stop", ""),
    ("stop", []),
    ("stop", [""]),
    ("stop", None),
    ("temperature", ""),
    ("temperature", None),
    ("functions", []),
    ("tools", []),
    ("tool_choice", ""),
    ("tool_choice", {}),
    ("logit_bias", {}),
    ("logit_bias", []),
    ("response_format", {}),
    ("reasoning_effort", ""),
    ("metadata", ""),
]


@pytest.mark.parametrize(("field", "value"), ABSENT)
def test_an_empty_value_is_absent(field: str, value: Any) -> None:
    assert fields(**{field: value}) == {}


PLAIN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"temperature": "0.7"}, {"temperature": 0.7}),
    ({"temperature": "0"}, {"temperature": 0}),
    ({"top_p": " 0.5 "}, {"top_p": 0.5}),
    ({"frequency_penalty": "-1.5"}, {"frequency_penalty": -1.5}),
    ({"max_tokens": "100"}, {"max_completion_tokens": 100}),
    ({"max_tokens": 1e2}, {"max_completion_tokens": 100}),
    ({"n_predict": 128}, {"max_completion_tokens": 128}),
    ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_completion_tokens": 7}),
    ({"max_tokens": 5, "max_completion_tokens": -1}, {"max_completion_tokens": 5}),
    ({"seed": "7"}, {"seed": 7}),
    ({"seed": 0}, {"seed": 0}),
    ({"top_k": "40"}, {"top_k": 40}),
    ({"stream": "true"}, {"stream": True}),
    ({"stream": "False"}, {"stream": False}),
    ({"stream": 1}, {"stream": True}),
    (
        {"tools": [TOOL], "parallel_tool_calls": "false"},
        {"tools": [TOOL], "parallel_tool_calls": False},
    ),
    ({"response_format": "json_object"}, {"response_format": {"type": "json_object"}}),
]


@pytest.mark.parametrize(("written", "meant"), PLAIN)
def test_a_plain_meaning_is_taken(written: dict[str, Any], meant: dict[str, Any]) -> None:
    found = fields(**written)
    assert found == meant
    assert [type(value) for value in found.values()] == [type(value) for value in meant.values()]


REFUSED: list[tuple[str, Any]] = [
    ("max_tokens", -5),
    ("max_tokens", 1.5),
    ("max_tokens", True),
    ("max_tokens", "many"),
    ("n", 0),
    ("n", -1),
    ("temperature", "hot"),
    ("temperature", "nan"),
    ("temperature", "inf"),
    ("temperature", -1),
    ("temperature", False),
    ("seed", 2**64),
    ("seed", 10**400),
    ("top_k", -2),
    ("top_k", "1" * 5000),
    ("stream", "yes, please"),
    ("stream", []),
    ("parallel_tool_calls", {}),
    ("stop", 5),
    ("tools", {}),
    ("tool_choice", 5),
    ("response_format", "xml"),
    ("reasoning_effort", 5),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_anything_else_is_refused_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(Failed) as raised:
        fields(**{field: value})
    assert (raised.value.failure.status, raised.value.failure.param) == (400, field)


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 2**256 - 1])
def test_a_body_keeps_its_integers(number: int) -> None:
    body = b'{"model":"dev","messages":[{"role":"user","content":"\\ud83d"}],"x":[%d]}' % number
    parsed = parse(body)
    assert parsed["x"] == [number]
    assert parsed["messages"][0]["content"] == "\ufffd"


@pytest.mark.parametrize(
    "body", [b'{"x":' + b"1" * 5000 + b"}", b'{"x":1e999}', b'{"x":NaN}', b"[" * 100_000]
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Failed) as raised:
        parse(body)
    assert raised.value.failure.status == 400


DEEP = "[" * 1015 + "]" * 1015
CALLED = '{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":%s}}]}'
PLACES: dict[str, str] = {
    "a field": '"messages":[{"role":"user","content":"Hi"}],"x_new":%s',
    "a switch": '"messages":[{"role":"user","content":"Hi"}],"stream":%s',
    "a role": '"messages":[{"role":%s}]',
    "an id": '"messages":[{"role":"tool","tool_call_id":%s,"content":"x"}]',
    "a name": '"messages":[{"role":"function","name":%s,"content":"x"}]',
    "arguments": f'"messages":[{CALLED}]',
    "a result": '"messages":[{"role":"tool","tool_call_id":"a","content":%s}]',
    "a title": '"messages":[{"role":"user","content":[{"type":"search_result","title":%s,"content":"x"}]}]',  # noqa: E501
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_endless_nesting_is_the_clients_error(place: str) -> None:
    body = '{"model":"dev",' + place % DEEP + "}"
    try:
        normalize(parse(body.encode()))
    except (Failed, *UNREADABLE):
        return
