"""The request for a server that speaks chat completions: near to identity, with each vendor's
exceptions.

What differs comes from three places, each data: the provider's row (`dropped`, `refused`,
`quirks`), the model's family (`models.py`), and the user's own `options`, which win.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from gateway.dialects.chat.hosted import RESPONSES, of_chat
from gateway.dialects.chat.messages import encode_messages, taken
from gateway.dialects.chat.models import Family, family
from gateway.dialects.chat.structured import encode_format
from gateway.dialects.chat.thinking import encode_reasoning, lost_levels, reasons
from gateway.dialects.chat.tools import add_hosted, encode_tools, function_names
from gateway.hub.contracts import Encoded
from gateway.hub.fields import PASSED, TRANSLATED, Rule, apply, dropped, refused, renamed
from gateway.hub.hosted_tools import Split, is_hosted, split, takes
from gateway.hub.losses import named
from gateway.hub.options import merge_options
from gateway.hub.reasoning import level
from gateway.hub.tools import HUB_TOOL_NAME, with_fitted_names
from gateway.types import Chat, Model, Quirks

FIELDS: Final[Mapping[str, Rule]] = {
    "model": TRANSLATED,
    "messages": TRANSLATED,
    "max_completion_tokens": TRANSLATED,
    "temperature": PASSED,
    "top_p": PASSED,
    "n": PASSED,
    "stop": PASSED,
    "stream": PASSED,
    "stream_options": TRANSLATED,
    "frequency_penalty": PASSED,
    "presence_penalty": PASSED,
    "logit_bias": PASSED,
    "logprobs": PASSED,
    "top_logprobs": PASSED,
    "seed": PASSED,
    "response_format": TRANSLATED,
    "tools": TRANSLATED,
    "tool_choice": TRANSLATED,
    "parallel_tool_calls": PASSED,
    "reasoning_effort": TRANSLATED,
    "verbosity": PASSED,
    "modalities": PASSED,
    "audio": PASSED,
    "prediction": PASSED,
    "web_search_options": PASSED,
    "metadata": PASSED,
    "store": PASSED,
    "service_tier": PASSED,
    "prompt_cache_key": PASSED,
    "prompt_cache_retention": PASSED,
    "prompt_cache_options": PASSED,
    "safety_identifier": PASSED,
    "user": PASSED,
    "moderation": PASSED,
}
"""The rules of a server that is OpenAI's equal; a provider's row and a model's family take away
from it."""

_NOT_REASONING: Final = "refused by reasoning models"
_EXTENSIONS: Final[Mapping[str, Rule]] = {"reasoning": TRANSLATED, "thinking": TRANSLATED}
_PENALTIES: Final = ("presence_penalty", "frequency_penalty", "logit_bias", "prediction")
_WITHOUT: Final[Mapping[str, Mapping[str, Rule]]] = {
    "penalties": dict.fromkeys(_PENALTIES, dropped(_NOT_REASONING)),
    "stop": {"stop": dropped(_NOT_REASONING)},
    "verbosity": {"verbosity": dropped("not taken by this family")},
    "audio": dict.fromkeys(
        ("modalities", "audio"), refused("this model does not support audio output")
    ),
    "web_search": {"web_search_options": refused("this model does not support web search")},
    "parallel_flag": {"parallel_tool_calls": dropped("not taken by this family")},
}
"""What a family of models lacks → the rules that hold instead."""


@lru_cache(maxsize=1024)
def _rules(model: Model, sampling: bool) -> tuple[Mapping[str, Rule], Rule]:
    """(the rule of every field, the rule of unknown ones) for one model."""
    provider, kind = model.provider, family(model.provider.name, model.model_id)
    rules: dict[str, Rule] = {**FIELDS, **_EXTENSIONS}
    if not sampling:
        rules |= dict.fromkeys(("temperature", "top_p"), dropped(_NOT_REASONING))
        rules |= dict.fromkeys(("logprobs", "top_logprobs"), refused(_NOT_REASONING))
    for ability, instead in _WITHOUT.items():
        if not getattr(kind, ability):
            rules |= instead
    rules |= {field: renamed(name) for field, name in provider.renamed.items()}
    rules |= {field: dropped(reason) for field, reason in provider.dropped.items()}
    rules |= {field: refused(reason) for field, reason in provider.refused.items()}
    if not model.quirks.cache_control:
        rules["cache_control"] = dropped("this provider caches by itself")
    unknown = (
        PASSED if model.quirks.unknown_fields == "pass" else dropped("unknown to this provider")
    )
    return rules, unknown


@lru_cache(maxsize=64)
def _deaf(quirks: Quirks) -> Quirks:
    return replace(quirks, audio="none")


def takes_sampling(chat: Chat, model: Model, kind: Family) -> bool:
    if kind.sampling == "effort_none":
        return not reasons(level(chat, model), kind)
    return kind.sampling == "always"


def needs_responses(chat: Chat, model: Model) -> bool:
    """Whether OpenAI serves this request only on its Responses API.

    "Function tools with reasoning_effort are not supported for gpt-5.x in /v1/chat/completions. To
    use function tools, use /v1/responses or set reasoning_effort to 'none'."
    """
    if model.quirks.api != "auto":
        return model.quirks.api == "responses"
    kind = family(model.provider.name, model.model_id)
    if not kind.chat or ("tools" in chat and not kind.web_search and _demands_hosted(chat)):
        return True
    if kind.tools_while_reasoning or not reasons(level(chat, model), kind):
        return False
    return _offers_functions(chat)


def _offers_functions(chat: Chat) -> bool:
    return any(tool.get("type", "function") == "function" for tool in chat.get("tools", ()))


def _demands_hosted(chat: Chat) -> bool:
    """Whether the request has tools that OpenAI runs, which only the Responses API takes."""
    return any(is_hosted(tool) and takes(RESPONSES, tool) for tool in chat.get("tools", ()))


def encode_request(chat: Chat, model: Model) -> Encoded:
    """A chat-completions request for `model`. Raises `Unsupported`."""
    kind, quirks = family(model.provider.name, model.model_id), model.quirks
    asked, parts = chat, Split(chat)
    custom_tools: frozenset[str] = frozenset()
    if "tools" in chat:
        custom_tools = frozenset() if quirks.custom_tools else custom_names(chat)
        parts = split(chat, of_chat(model.provider.name, model.model_id))
    chat, names = with_fitted_names(
        parts.chat,
        HUB_TOOL_NAME,
        length_max=64,
        keep=function_names(parts.hosted) if parts.hosted else _NO_NAMES,
    )
    rules, unknown = _rules(model, takes_sampling(chat, model, kind))
    body, losses = apply(chat, rules, unknown)
    body["model"] = model.model_id
    body["messages"] = encode_messages(chat["messages"], quirks if kind.audio else _deaf(quirks))
    losses += _add_tools(body, chat, parts, model) if "tools" in asked else ()
    losses += _lost(asked, quirks)
    limit = chat.get("max_completion_tokens")
    if limit is not None:
        body[quirks.max_tokens_field] = limit
    if "stream" in chat and chat["stream"] and quirks.stream_usage:
        body["stream_options"] = {"include_usage": True}
    if model.thinking_level or kind.reasoning_format or not _LEVELS.isdisjoint(chat):
        body |= encode_reasoning(chat, model, kind)
        losses += lost_levels(chat, quirks)
    if "temperature" in body or not kind.tools_while_reasoning:
        losses += _fit_values(body, chat, kind)
    format_losses: list[str] = []
    unfence = False
    if "response_format" in chat:
        format_losses, unfence = encode_format(body, chat, quirks, model.provider.name)
    return Encoded(
        path="/chat/completions",
        body=merge_options(body, model.options) if model.options else body,
        dropped=(*losses, *format_losses),
        names=names,
        custom_tools=custom_tools,
        unfence=unfence,
        think_tags=quirks.think_tags,
        finish=quirks.finish,
    )


_LEVELS: Final = frozenset({"reasoning_effort", "reasoning", "thinking"})
"""Fields that ask for a reasoning level."""
_NO_NAMES: Final[frozenset[str]] = frozenset()


def _add_tools(body: dict[str, Any], chat: Chat, parts: Split, model: Model) -> list[str]:
    """Puts `tools` and `tool_choice` into `body`; returns what is lost of them."""
    tools, losses = encode_tools(chat, parts.places, model.quirks, model.provider.name)
    body |= add_hosted(tools, parts, model.quirks)
    return [*losses, *parts.losses]


def _lost(asked: Chat, quirks: Quirks) -> list[str]:
    """What the server does not receive of messages and tools. A message with a text and nothing
    else loses nothing."""
    messages = [
        message
        for message in asked["messages"]
        if len(message) > 2 or type(message.get("content")) is not str
    ]
    tools = asked.get("tools", ())
    return named(messages, tools, taken(quirks)) if messages or tools else []


def _fit_values(body: dict[str, Any], chat: Chat, kind: Family) -> list[str]:
    """Brings values into the ranges that the family takes; returns what is lost."""
    if not kind.tools_while_reasoning and "none" in kind.efforts and _offers_functions(chat):
        # An unset effort counts as active on some models of these families; functions are then
        # refused.
        body.setdefault("reasoning_effort", "none")
    lost: list[str] = []
    if "temperature" in body:
        if kind.temperature_max is not None and body["temperature"] > kind.temperature_max:
            body["temperature"] = kind.temperature_max
            lost.append("temperature")
        if not kind.greedy_top_p and body["temperature"] == 0:
            body.pop("top_p", None)  # "top_p must be 1 when using greedy sampling"
    return lost


def custom_names(chat: Chat) -> frozenset[str]:
    """The names of the client's tools of type `custom`."""
    return frozenset(
        tool["custom"]["name"] for tool in chat.get("tools", ()) if tool.get("type") == "custom"
    )
