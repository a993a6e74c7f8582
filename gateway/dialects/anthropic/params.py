"""The request: which fields go where, and the order in which the rules apply to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.anthropic.caching import limit_marks, mark_automatically
from gateway.dialects.anthropic.messages import TAKEN, encode_messages
from gateway.dialects.anthropic.models import Generation, generation
from gateway.dialects.anthropic.structured import encode_format
from gateway.dialects.anthropic.thinking import Thinking, encode_thinking
from gateway.dialects.anthropic.tools import (
    add_hosted,
    encode_tools,
    fitted_names,
    hosted_betas,
    is_forced,
)
from gateway.dialects.chat.params import custom_names
from gateway.dialects.hosted_rows import ANTHROPIC
from gateway.dialects.hosted_tools import split
from gateway.hub.contracts import Encoded
from gateway.hub.fields import PASSED, TRANSLATED, Rule, apply, dropped, refused
from gateway.hub.losses import named
from gateway.hub.options import merge_options
from gateway.hub.tools import reverse_names
from gateway.types import Chat, Model

_NO_SUCH: Final = "Anthropic has no such parameter"

FIELDS: Final[Mapping[str, Rule]] = {
    "model": TRANSLATED,
    "messages": TRANSLATED,
    "max_completion_tokens": TRANSLATED,
    "temperature": TRANSLATED,
    "top_p": TRANSLATED,
    "n": refused("Anthropic answers with one choice"),
    "stop": TRANSLATED,
    "stream": PASSED,
    "stream_options": TRANSLATED,
    "frequency_penalty": dropped(_NO_SUCH),
    "presence_penalty": dropped(_NO_SUCH),
    "logit_bias": dropped(_NO_SUCH),
    "logprobs": refused(_NO_SUCH),
    "top_logprobs": refused(_NO_SUCH),
    "seed": dropped(_NO_SUCH),
    "response_format": TRANSLATED,
    "tools": TRANSLATED,
    "tool_choice": TRANSLATED,
    "parallel_tool_calls": TRANSLATED,
    "reasoning_effort": TRANSLATED,
    "verbosity": dropped(_NO_SUCH),
    "modalities": refused("Anthropic answers in text"),
    "audio": refused("Anthropic answers in text"),
    "prediction": dropped(_NO_SUCH),
    "web_search_options": refused("no web search on this endpoint"),
    "metadata": dropped("stays with the gateway"),
    "store": dropped(_NO_SUCH),
    "service_tier": dropped("the tiers differ"),
    "prompt_cache_key": dropped(_NO_SUCH),
    "prompt_cache_retention": dropped(_NO_SUCH),
    "prompt_cache_options": dropped(_NO_SUCH),
    "safety_identifier": dropped("may name a person, which Anthropic refuses"),
    "user": dropped("may name a person, which Anthropic refuses"),
    "moderation": refused(_NO_SUCH),
    # extensions of other servers
    "reasoning": TRANSLATED,
    "thinking": TRANSLATED,
    "top_k": TRANSLATED,
    "cache_control": PASSED,
}
_UNKNOWN: Final = dropped('unknown fields cost a 400: "Extra inputs are not permitted"')

OUTPUT_TOKENS_DEFAULT: Final = 32_000
"""Anthropic requires a limit where OpenAI's clients send none; a low one would cut agents off
silently."""


def encode_request(chat: Chat, model: Model) -> Encoded:
    """A Messages request for `model`. Raises `Unsupported`."""
    claude = generation(model.model_id)
    body, losses = apply(chat, FIELDS, _UNKNOWN)
    asked, parts = chat, split(chat, ANTHROPIC)
    chat = parts.chat
    names = fitted_names(chat)
    limit = _output_limit(chat, model, claude)
    if limit < chat.get("max_completion_tokens", 0):
        losses.append("max_completion_tokens")
    thinking = encode_thinking(chat, model, claude, limit, forced=is_forced(asked))
    losses += thinking.losses
    body["model"] = model.model_id
    body["max_tokens"] = thinking.max_tokens
    body |= thinking.fields
    format_losses, format_hint, unfence = encode_format(body, chat, claude)
    losses += format_losses
    prefill = claude.prefill and not thinking.on and "format" not in body.get("output_config", {})
    system, messages, message_losses = encode_messages(
        chat, names, claude, thinks=thinking.on, prefill=prefill
    )
    losses += message_losses
    tools, tool_losses, tool_hint = encode_tools(chat, names, claude)
    tools, hosted_losses = add_hosted(tools, parts, asked, claude)
    losses += [*tool_losses, *hosted_losses, *named(asked, TAKEN)]
    system += [{"type": "text", "text": text} for text in (tool_hint, format_hint) if text]
    if system:
        body["system"] = system
    body["messages"] = messages
    body |= tools
    losses += _encode_sampling(body, chat, claude, thinking)
    # "stop sequences must contain non-whitespace"
    stops = [text for text in chat.get("stop", ()) if text.strip()]
    if stops:
        body["stop_sequences"] = stops
    if len(stops) < len(chat.get("stop", ())):
        losses.append("stop")
    losses += limit_marks(body)
    if model.cache:
        mark_automatically(body)
    return Encoded(
        path="/v1/messages",
        body=merge_options(body, model.options),
        headers=hosted_betas(parts.hosted),
        dropped=tuple(losses),
        names=reverse_names(names),
        custom_tools=custom_names(chat),
        unfence=unfence,
    )


def _output_limit(chat: Chat, model: Model, claude: Generation) -> int:
    """The client's limit, or the model's own within `OUTPUT_TOKENS_DEFAULT`.

    "max_tokens: 128000 > 64000, which is the maximum": a limit that another model of the chain
    would take is lowered.
    """
    stated = chat.get("max_completion_tokens")
    if stated is not None:
        return min(int(stated), max(claude.output_max, model.max_output_tokens or 0))
    return model.max_output_tokens or min(claude.output_max, OUTPUT_TOKENS_DEFAULT)


def _encode_sampling(
    body: dict[str, Any], chat: Chat, claude: Generation, thinking: Thinking
) -> list[str]:
    """Temperature, top_p and top_k, as far as the generation and its thinking allow. Returns what
    was lost."""
    losses: list[str] = []
    temperature, top_p, top_k = chat.get("temperature"), chat.get("top_p"), chat.get("top_k")
    takes = claude.sampling != "none" and not thinking.on
    if claude.sampling == "one" and temperature == 1 and top_p not in (None, 1):
        temperature = None  # "cannot both be specified": the one that says something is sent
    if temperature is not None and temperature != 1 and (not takes or temperature > 1):
        losses.append("temperature")
    if temperature is not None and takes:
        body["temperature"] = min(temperature, 1)
    if top_p is not None:
        if takes and not (claude.sampling == "one" and "temperature" in body):
            body["top_p"] = top_p
        elif top_p != 1:
            losses.append("top_p")
    if top_k is not None:
        if takes:
            body["top_k"] = top_k
        else:
            losses.append("top_k")
    return losses
