"""What each family of OpenAI's models is sent, and on which of the two APIs."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects import DIALECTS, Unsupported, choose
from tests.makers import chat, model

FUNCTION = {"type": "function", "function": {"name": "look"}}
CUSTOM = {"type": "custom", "custom": {"name": "patch"}}
AUDIO = {
    "role": "user",
    "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}],
}


def sent(model_id: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """(the dialect, the body)."""
    request, target = chat(**fields), model("openai", model_id)
    dialect = choose(request, target)
    return dialect, DIALECTS[dialect].encode_request(request, target).body


@pytest.mark.parametrize(
    ("model_id", "dialect"),
    [
        ("gpt-4o", "chat"),
        ("gpt-audio-mini", "chat"),
        ("gpt-5-mini", "chat"),
        ("gpt-5.2", "chat"),
        ("gpt-5.2-proo", "chat"),
        ("gpt-5-pro", "responses"),
        ("gpt-5.5-pro", "responses"),
        ("gpt-5.2-pro-2025-12-11", "responses"),
        ("gpt-6-pro", "responses"),
        ("gpt-5.3-codex", "responses"),
        ("gpt-6.1-codex-mini", "responses"),
        ("codex-mini-latest", "responses"),
        ("o3", "chat"),
        ("o3-pro", "responses"),
    ],
)
def test_the_api_of_plain_text(model_id: str, dialect: str) -> None:
    assert sent(model_id)[0] == dialect


@pytest.mark.parametrize(
    ("model_id", "tool", "dialect", "effort"),
    [
        ("gpt-4o", FUNCTION, "chat", None),
        ("gpt-5.2", FUNCTION, "chat", None),
        ("gpt-5.4", FUNCTION, "chat", "none"),
        ("gpt-5.4", CUSTOM, "chat", None),
        ("gpt-5.5", FUNCTION, "responses", None),
        ("gpt-5.5", CUSTOM, "chat", None),
        ("gpt-6-astra", FUNCTION, "responses", None),
        ("gpt-6-astra", CUSTOM, "chat", None),
    ],
)
def test_functions_while_reasoning(
    model_id: str, tool: dict[str, Any], dialect: str, effort: str | None
) -> None:
    """A custom tool switches no reasoning off; a function does where it must, and no effort is sent
    that is refused."""
    found, body = sent(model_id, tools=[tool])
    assert (found, body.get("reasoning_effort")) == (dialect, effort)


@pytest.mark.parametrize(
    ("model_id", "wanted", "effort"),
    [
        ("gpt-5", "none", "minimal"),
        ("gpt-5.1", "xhigh", "high"),
        ("gpt-6-sol", "max", "xhigh"),
        ("gpt-6-astra", "none", "low"),
        ("o3", "minimal", "low"),
    ],
)
def test_the_nearest_effort_on_chat_completions(model_id: str, wanted: str, effort: str) -> None:
    assert sent(model_id, reasoning_effort=wanted)[1]["reasoning_effort"] == effort


@pytest.mark.parametrize(
    ("model_id", "wanted", "effort"),
    [("gpt-6-sol", "max", "max"), ("gpt-5.5-pro", "low", "medium"), ("gpt-5-pro", "low", "high")],
)
def test_the_nearest_effort_on_responses(model_id: str, wanted: str, effort: str) -> None:
    assert (
        sent(model_id, reasoning_effort=wanted, tools=[FUNCTION])[1]["reasoning"]["effort"]
        == effort
    )


@pytest.mark.parametrize(
    ("model_id", "fields"),
    [
        (
            "gpt-audio",
            {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
        ),
        ("gpt-4o-mini-audio-preview", {"messages": [AUDIO]}),
        ("gpt-4o-search-preview", {"web_search_options": {"search_context_size": "low"}}),
    ],
)
def test_features_of_some_models_are_sent_to_those_alone(
    model_id: str, fields: dict[str, Any]
) -> None:
    body = sent(model_id, **fields)[1]
    assert {key: body[key] for key in fields} == fields
    for other in ("gpt-4o", "gpt-5.1"):
        with pytest.raises(Unsupported):
            sent(other, **fields)


def test_verbosity_is_for_those_that_know_it() -> None:
    assert sent("gpt-5.1", verbosity="low")[1]["verbosity"] == "low"
    assert "verbosity" not in sent("gpt-4.1", verbosity="low")[1]


@pytest.mark.parametrize(
    ("provider", "model_id", "takes"),
    [
        ("openai", "o1", True),
        ("openai", "o3-mini", True),
        ("openai", "o3-mini-2025-01-31", True),
        ("openai", "o3", False),
        ("openai", "o3-2025-04-16", False),
        ("openai", "o4-mini", False),
        ("openai", "gpt-5-mini", False),
        ("openai", "gpt-4o", True),
        ("xai", "grok-3", False),
        ("xai", "grok-4.5", False),
        ("xai", "grok-code-fast-1", False),
        ("groq", "openai/gpt-oss-20b", True),
        ("mistral", "mistral-large-latest", True),
    ],
)
def test_models_that_accept_stop(provider: str, model_id: str, takes: bool) -> None:
    request, target = chat(stop=["END"]), model(provider, model_id)
    encoded = DIALECTS["chat"].encode_request(request, target)
    assert ("stop" in encoded.body) == takes
    assert ("stop" in encoded.dropped) != takes


@pytest.mark.parametrize("tools", [[], [FUNCTION]])
def test_fields_of_other_servers_cost_no_refusal(tools: list[dict[str, Any]]) -> None:
    body = sent("gpt-5.5", top_k=5, min_p=0.1, chat_template_kwargs={}, brand_new=1, tools=tools)[1]
    assert not body.keys() & {"top_k", "min_p", "chat_template_kwargs"}
    assert body["brand_new"] == 1
