"""The request: which fields go where, and the order in which the rules apply to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.dialects.anthropic.caching import encode_marks
from gateway.dialects.anthropic.hosted import ROW
from gateway.dialects.anthropic.messages import TAKEN, encode_messages
from gateway.dialects.anthropic.models import Generation, generation
from gateway.dialects.anthropic.structured import encode_format
from gateway.dialects.anthropic.thinking import encode_thinking
from gateway.dialects.anthropic.tools import NAMING, encode_tools, hosted_betas
from gateway.hub.contracts import Encoded
from gateway.hub.fields import (
    PASSED,
    TRANSLATED,
    Rule,
    Section,
    apply,
    dropped,
    is_neutral,
    joined,
    refused,
)
from gateway.hub.losses import named
from gateway.hub.options import merge_options
from gateway.hub.survey import survey_request
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


def encode_request(chat: Chat, model: Model) -> Encoded:
    """A Messages request for `model`. Raises `Unsupported`."""
    claude = generation(model.model_id)
    survey = survey_request(chat, model, naming=NAMING, row=ROW)
    thinking = encode_thinking(survey, model, claude)
    form = encode_format(survey.form, claude)
    tools = encode_tools(survey, claude)
    betas = hosted_betas(survey.split.hosted)
    hints = (tools.hint, form.hint)
    body, losses = joined(
        (
            Section(*apply(chat, FIELDS, _UNKNOWN)),
            Section({"model": model.model_id}),
            thinking.section,
            form,
            encode_messages(survey, claude, thinking, prefill=not form.fields, hints=hints),
            tools,
            Section(losses=[*survey.unread, *named(survey.messages, survey.tools, TAKEN)]),
            _sampling(chat, claude, thinks=thinking.on),
            _stops(chat.get("stop", ())),
        )
    )
    losses += encode_marks(body, automatic=model.cache)
    return Encoded(
        path="/v1/messages",
        body=merge_options(body, model.options),
        headers=betas,
        dropped=tuple(losses),
        names=survey.client_names,
        custom_tools=survey.custom_tools,
        unfence=bool(form.hint),
    )


_SAMPLING: Final[tuple[str, ...]] = ("temperature", "top_p", "top_k")
_ALL: Final = frozenset(_SAMPLING)


def _sampling(chat: Chat, claude: Generation, *, thinks: bool) -> Section:
    """The fields of `_SAMPLING` that the generation takes beside its thinking."""
    stated = {name: chat[name] for name in _SAMPLING if name in chat}
    taken = frozenset[str]() if thinks else _taken(stated, claude)
    sent = {name: stated[name] for name in stated if name in taken}
    losses = [name for name in stated if name not in taken and not is_neutral(name, stated[name])]
    if sent.get("temperature", 0) > 1:
        sent["temperature"] = 1
        losses.insert(0, "temperature")
    return Section(sent, losses)


def _taken(stated: Mapping[str, float], claude: Generation) -> frozenset[str]:
    """The fields that a generation takes. "`temperature` and `top_p` cannot both be specified": the
    one that says something is sent."""
    if claude.sampling == "none":
        return frozenset()
    if claude.sampling == "both" or "temperature" not in stated:
        return _ALL
    only_top_p = stated["temperature"] == 1 and stated.get("top_p", 1) != 1
    return _ALL - {"temperature" if only_top_p else "top_p"}


def _stops(stops: Sequence[str]) -> Section:
    """`stop_sequences`. "Stop sequences must contain non-whitespace"."""
    kept = [text for text in stops if text.strip()]
    losses = ["stop"] if len(kept) < len(stops) else []
    return Section({"stop_sequences": kept} if kept else {}, losses)
