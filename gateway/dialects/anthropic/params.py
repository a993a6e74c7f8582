"""The request: which fields go where, and the order in which the rules apply to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.anthropic.caching import limit_marks, mark_automatically
from gateway.dialects.anthropic.messages import TAKEN, encode_messages
from gateway.dialects.anthropic.models import Generation, generation
from gateway.dialects.anthropic.structured import encode_format
from gateway.dialects.anthropic.thinking import Limit, encode_thinking, may_replay
from gateway.dialects.anthropic.tools import add_hosted, encode_tools, fitted_names, hosted_betas
from gateway.dialects.hosted_rows import ANTHROPIC
from gateway.dialects.hosted_tools import split
from gateway.hub.contracts import Encoded
from gateway.hub.fields import PASSED, TRANSLATED, Rule, apply, dropped, is_neutral, refused
from gateway.hub.losses import named
from gateway.hub.options import merge_options
from gateway.hub.survey import read_choice, survey
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
    parts = split(chat, ANTHROPIC)
    asked = survey(parts.chat, model)
    forced = read_choice(chat.get("tool_choice")).is_forced  # a hosted tool counts too
    names = fitted_names(asked.names)
    limit = _output_limit(chat.get("max_completion_tokens"), model, claude)
    thinking = encode_thinking(
        asked.level, claude, limit, tools=bool(asked.offers), forced=forced, answers=asked.answers
    )
    replay = thinking.on and may_replay(asked.answers, claude)
    form = encode_format(chat.get("response_format") or {}, claude)
    prefill = claude.prefill and not thinking.on and not form.config
    system, messages, message_losses = encode_messages(
        chat["messages"], names, late_system=claude.late_system, replay=replay, prefill=prefill
    )
    tools, tool_losses, tool_hint = encode_tools(asked, names, claude)
    tools, hosted_losses = add_hosted(tools, parts, claude)
    headers = hosted_betas(parts.hosted)
    sampling, sampling_losses = _sampling(
        {name: chat[name] for name in _SAMPLING if name in chat}, claude, thinks=thinking.on
    )
    stops, stop_losses = _stops(chat.get("stop", []))
    body |= {"model": model.model_id, "max_tokens": thinking.max_tokens, **thinking.fields}
    if form.config:
        body["output_config"] = {**body.get("output_config", {}), **form.config}
    system += [{"type": "text", "text": text} for text in (tool_hint, form.hint) if text]
    body |= {"system": system} if system else {}
    body |= {"messages": messages, **tools, **sampling, **stops}
    losses += [
        *limit.losses,
        *thinking.losses,
        *form.losses,
        *message_losses,
        *tool_losses,
        *hosted_losses,
    ]
    losses += named(chat["messages"], chat.get("tools", ()), TAKEN)
    losses += [*sampling_losses, *stop_losses, *limit_marks(body)]
    if model.cache:
        mark_automatically(body)
    return Encoded(
        path="/v1/messages",
        body=merge_options(body, model.options),
        headers=headers,
        dropped=tuple(losses),
        names=reverse_names(names),
        custom_tools=asked.custom_tools,
        unfence=bool(form.hint),
    )


def _output_limit(stated: int | None, model: Model, claude: Generation) -> Limit:
    """The client's limit, or the model's own within `OUTPUT_TOKENS_DEFAULT`.

    "max_tokens: 128000 > 64000, which is the maximum": a limit that another model of the chain
    would take is lowered.
    """
    if stated is None:
        tokens = model.max_output_tokens or min(claude.output_max, OUTPUT_TOKENS_DEFAULT)
        return Limit(tokens, stated=False)
    tokens = min(int(stated), max(claude.output_max, model.max_output_tokens or 0))
    return Limit(tokens, stated=True, losses=("max_completion_tokens",) if tokens < stated else ())


_SAMPLING: Final = ("temperature", "top_p", "top_k")


def _sampling(
    asked: Mapping[str, float], claude: Generation, *, thinks: bool
) -> tuple[dict[str, float], list[str]]:
    """(the fields of `_SAMPLING` that the generation takes beside its thinking, what was lost)."""
    takes = claude.sampling != "none" and not thinks
    if claude.sampling == "one" and asked.get("temperature") == 1 and asked.get("top_p", 1) != 1:
        # "cannot both be specified": the one that says something is sent
        asked = {name: value for name, value in asked.items() if name != "temperature"}
    barred = {"top_p"} if claude.sampling == "one" and "temperature" in asked else set()
    sent: dict[str, float] = {}
    losses: list[str] = []
    for name, value in asked.items():
        if takes and name not in barred:
            sent[name] = value
        elif not is_neutral(name, value):
            losses.append(name)
    if sent.get("temperature", 0) > 1:
        sent["temperature"] = 1
        losses.insert(0, "temperature")
    return sent, losses


def _stops(stops: list[str]) -> tuple[dict[str, Any], list[str]]:
    """(`stop_sequences`, what was lost). "Stop sequences must contain non-whitespace"."""
    kept = [text for text in stops if text.strip()]
    return {"stop_sequences": kept} if kept else {}, ["stop"] if len(kept) < len(stops) else []
