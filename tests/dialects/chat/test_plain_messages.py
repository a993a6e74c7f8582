"""A message with a role and a text is passed on at once, as what it becomes when it is read
carefully.

A further key that is null says nothing, and makes a message one that is read carefully.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import Encoded
from gateway.dialects.chat import decode_request, encode_request
from gateway.failures import Failed
from gateway.providers import PROVIDERS
from gateway.rows import Quirks
from tests.makers import model

MANY = settings(max_examples=100, deadline=None, derandomize=True)
ROLES = ("user", "assistant", "system", "developer", "tool", "function", "bogus", None, 5, ["user"])
roles = st.sampled_from(ROLES[:4]) | st.sampled_from(ROLES)
contents = st.sampled_from(["hi", "", "json", None, 5, ["a"], [{"type": "text", "text": "a"}]])
messages = st.fixed_dictionaries({"role": roles, "content": contents}) | st.fixed_dictionaries(
    {}, optional={"role": roles, "content": contents, "name": st.sampled_from(["x", None])}
)
conversations = st.lists(messages, min_size=1, max_size=6)


def normalized(conversation: list[dict[str, Any]]) -> Any:
    try:
        return decode_request({"model": "m", "messages": conversation})["messages"]
    except Failed as failed:
        return failed.failure


@MANY
@given(conversations)
def test_a_plain_message_is_normal_already(conversation: list[dict[str, Any]]) -> None:
    careful = [{**message, "tool_calls": None} for message in conversation]
    assert normalized(conversation) == normalized(careful)


MODELS = [model(name) for name in sorted(PROVIDERS) if PROVIDERS[name].dialect == "chat"]


def encoded(conversation: list[dict[str, Any]], to: Any) -> Encoded | str:
    try:
        return encode_request({"model": "m", "messages": conversation}, to)
    except Failed as failed:
        return failed.failure.message


@pytest.mark.parametrize("to", MODELS, ids=lambda each: each.name)
@MANY
@given(data=st.data())
def test_every_provider_is_sent_the_same_conversation(to: Any, data: st.DataObject) -> None:
    conversation = normalized(data.draw(conversations))
    if not isinstance(conversation, list):
        return
    careful = [{**message, "id": "said before"} for message in conversation]
    assert encoded(conversation, to) == encoded(careful, to)


def test_a_message_that_a_server_takes_otherwise_is_not_passed_on() -> None:
    to = model("custom", quirks=Quirks(late_system=True, prefill="prefix"))
    conversation = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": "Hello"},
    ]
    sent = encode_request({"model": "m", "messages": conversation}, to).body["messages"]
    assert sent == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "prefix": True},
    ]
    assert conversation[3] == {"role": "assistant", "content": "Hello"}
