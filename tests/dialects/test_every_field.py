"""Every documented field of every client API reaches every provider, or is named as dropped.

A request with the field is compared with the same request without it: the body that is sent
differs, or the names of the losses do, or the model is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from gateway.dialects import INBOUND
from gateway.dialects.anthropic.inbound.requests import decode_request as decode_messages
from gateway.dialects.responses.inbound.requests import FIELDS as OF_RESPONSES
from gateway.hub.contracts import Unsupported
from gateway.hub.schema import FIELDS as OF_CHAT
from tests.targets import CHAT, MESSAGES, RESPONSES, Target

FUNCTION: Final = {"name": "look", "parameters": {"type": "object", "properties": {}}}
SCHEMA: Final = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
USER: Final = {"role": "user", "content": "Hi"}

PLAIN_CHAT: Final = {"messages": [USER], "tools": [{"type": "function", "function": FUNCTION}]}
CHAT_FIELDS: Final[Mapping[str, Any]] = {
    "max_completion_tokens": 731,
    "temperature": 0.3,
    "top_p": 0.4,
    "n": 2,
    "stop": ["END"],
    "stream": True,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "seed": 7,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
    "tools": [
        {"type": "function", "function": {**FUNCTION, "description": "Looks.", "strict": True}}
    ],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "reasoning_effort": "high",
    "verbosity": "low",
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "wav"},
    "prediction": {"type": "content", "content": "abc"},
    "web_search_options": {"search_context_size": "low"},
    "metadata": {"a": "b"},
    "store": True,
    "service_tier": "flex",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {"mode": "explicit"},
    "safety_identifier": "s",
    "user": "u",
    "moderation": {"model": "m"},
}
ELSEWHERE_IN_CHAT: Final = {"model", "messages", "stream_options", "top_logprobs"}
"""Fields that are always there, or say something only beside another."""

PLAIN_MESSAGES: Final = {
    "max_tokens": 4096,
    "messages": [USER],
    "tools": [{"name": "look", "input_schema": {"type": "object"}}],
}
MESSAGES_FIELDS: Final[Mapping[str, Any]] = {
    "system": "Be brief.",
    "max_tokens": 731,
    "stop_sequences": ["END"],
    "stream": True,
    "temperature": 0.3,
    "top_p": 0.4,
    "top_k": 3,
    "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low"},
    "output_format": {"type": "json_schema", "schema": SCHEMA},
    "cache_control": {"type": "ephemeral"},
    "metadata": {"user_id": "u"},
    "service_tier": "standard_only",
    "speed": "fast",
    "inference_geo": "eu",
    "container": "c",
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    "mcp_servers": [{"type": "url", "url": "https://a.example", "name": "s"}],
    "fallbacks": [{"model": "a"}],
    "brand_new": 1,
}

PLAIN_RESPONSES: Final = {"input": [USER], "tools": [{"type": "function", **FUNCTION}]}
RESPONSES_FIELDS: Final[Mapping[str, Any]] = {
    "instructions": "Be brief.",
    "stream": True,
    "tools": [{"type": "function", **FUNCTION, "description": "Looks."}],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "high"},
    "text": {"verbosity": "low"},
    "max_output_tokens": 731,
    "max_tool_calls": 2,
    "temperature": 0.3,
    "top_p": 0.4,
    "service_tier": "flex",
    "metadata": {"a": "b"},
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "include": ["message.output_text.logprobs"],
    "truncation": "auto",
    "context_management": [{"type": "compaction", "compact_threshold": 9}],
    "image": {"a": 1},
    "access_programs": ["a"],
    "moderation": {"model": "m"},
    "brand_new": 1,
}
ELSEWHERE_IN_RESPONSES: Final = {
    *("model", "input", "stream_options", "client_metadata", "store", "previous_response_id"),
    *("top_logprobs", "conversation", "background", "background_options", "prompt"),
}
"""Fields that are always there, the gateway's own, refused by it, or idle without another."""

TABLES: Final = {
    "chat": (PLAIN_CHAT, CHAT_FIELDS, CHAT),
    "anthropic": (PLAIN_MESSAGES, MESSAGES_FIELDS, MESSAGES),
    "responses": (PLAIN_RESPONSES, RESPONSES_FIELDS, RESPONSES),
}
"""Client API → a plain request, a value of every further field, the targets."""
CASES: Final = [
    pytest.param(client, field, target, id=f"{client}-{field}-{name}")
    for client, (_, fields, targets) in TABLES.items()
    for field in fields
    for name, target in targets.items()
]


def sent(client: str, body: dict[str, Any], target: Target) -> tuple[Any, ...] | None:
    """What is sent and what is named; None where the model is skipped."""
    request = INBOUND[client].decode_request({"model": "dev", **body}, {})
    if request.native_only and not target.native:
        return None
    try:
        encoded = target.encode(request)
    except Unsupported:
        return None
    dropped = encoded.dropped if target.native else (*request.dropped, *encoded.dropped)
    return encoded.path, encoded.body, sorted(dropped)


LEVELS: Final = {"reasoning_effort", "reasoning", "thinking", "output_config"}
NOT_REASONING: Final = (CHAT["openai@4o"], MESSAGES["mistral@large"])
"""A level of reasoning says nothing to these models, and agents state one in every request."""


@pytest.mark.parametrize(("client", "field", "target"), CASES)
def test_a_field_is_sent_or_named(client: str, field: str, target: Target) -> None:
    if field in LEVELS and target in NOT_REASONING:
        return
    plain, fields, _ = TABLES[client]
    with_field = sent(client, {**plain, field: fields[field]}, target)
    assert with_field != sent(client, dict(plain), target)


def test_the_tables_are_whole() -> None:
    assert set(OF_CHAT) == {*CHAT_FIELDS, *ELSEWHERE_IN_CHAT}
    assert set(OF_RESPONSES) == {*RESPONSES_FIELDS, *ELSEWHERE_IN_RESPONSES} - {"brand_new"}
    assert decode_messages({"model": "dev", **PLAIN_MESSAGES}, {}).dropped == ()
