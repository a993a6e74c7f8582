"""The request: its path, `generationConfig`, and everything around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from gateway.dialects.google.hosted import hosted_row
from gateway.dialects.google.messages import TAKEN, encode_messages
from gateway.dialects.google.models import Generation, generation
from gateway.dialects.google.structured import encode_format
from gateway.dialects.google.thinking import encode_thinking
from gateway.dialects.google.tools import NAMING, encode_tools
from gateway.hub.contracts import Encoded
from gateway.hub.fields import (
    TRANSLATED,
    Rule,
    Section,
    apply,
    dropped,
    joined,
    refused,
)
from gateway.hub.losses import named
from gateway.hub.options import merge_options
from gateway.hub.survey import survey_request
from gateway.types import Chat, Model

_NO_SUCH: Final = "Gemini has no such parameter"

FIELDS: Final[Mapping[str, Rule]] = {
    "model": TRANSLATED,
    "messages": TRANSLATED,
    "max_completion_tokens": TRANSLATED,
    "temperature": TRANSLATED,
    "top_p": TRANSLATED,
    "n": refused("most Gemini models answer with one candidate"),
    "stop": TRANSLATED,
    "stream": TRANSLATED,
    "stream_options": TRANSLATED,
    "frequency_penalty": dropped("refused by most Gemini models"),
    "presence_penalty": dropped("refused by most Gemini models"),
    "logit_bias": dropped(_NO_SUCH),
    "logprobs": refused("refused by most Gemini models"),
    "top_logprobs": refused("refused by most Gemini models"),
    "seed": TRANSLATED,
    "response_format": TRANSLATED,
    "tools": TRANSLATED,
    "tool_choice": TRANSLATED,
    "parallel_tool_calls": TRANSLATED,
    "reasoning_effort": TRANSLATED,
    "verbosity": dropped(_NO_SUCH),
    "modalities": refused("the gateway translates text answers only"),
    "audio": refused("the gateway translates text answers only"),
    "prediction": dropped(_NO_SUCH),
    "web_search_options": refused("no web search through this gateway"),
    "metadata": dropped("stays with the gateway"),
    "store": dropped(_NO_SUCH),
    "service_tier": dropped("the tiers differ"),
    "prompt_cache_key": dropped("Gemini caches by itself"),
    "prompt_cache_retention": dropped("Gemini caches by itself"),
    "prompt_cache_options": dropped("Gemini caches by itself"),
    "safety_identifier": dropped(_NO_SUCH),
    "user": dropped(_NO_SUCH),
    "moderation": refused(_NO_SUCH),
    # extensions of other servers
    "reasoning": TRANSLATED,
    "thinking": TRANSLATED,
    "top_k": TRANSLATED,
}
_UNKNOWN: Final = dropped("unknown names cost a 400")

STOPS_MAX: Final = 5
_INT31: Final = 0x7FFFFFFF


def encode_request(chat: Chat, model: Model) -> Encoded:
    """A generateContent request for `model`. Raises `Unsupported`."""
    gemini = generation(model.model_id)
    survey = survey_request(chat, model, naming=NAMING, row=hosted_row(gemini))
    form = encode_format(survey.form, allowed=gemini.schema_with_tools or not survey.offers)
    body, losses = joined(
        (
            Section(*apply(chat, FIELDS, _UNKNOWN)),
            encode_messages(survey, gemini, hints=(form.hint,)),
            encode_tools(survey),
            Section(losses=[*survey.unread, *named(survey.messages, survey.tools, TAKEN)]),
            _config(chat, gemini),
            encode_thinking(survey.level, gemini),
            form,
        )
    )
    return Encoded(
        path=_path(model.model_id, stream=bool(chat.get("stream"))),
        body=merge_options(body, model.options),
        dropped=tuple(losses),
        names=survey.client_names,
        custom_tools=survey.custom_tools,
        unfence=bool(form.hint),
    )


def _path(model_id: str, *, stream: bool) -> str:
    """Without `alt=sse` a stream is one long JSON array."""
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/models/{quote(model_id.removeprefix('models/'), safe='')}:{method}"


_SAMPLING: Final = (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK"))


def _config(chat: Chat, gemini: Generation) -> Section:
    """The members of `generationConfig` that are numbers and stop sequences."""
    stops = chat.get("stop", ())
    losses = ["stop"] if len(stops) > STOPS_MAX else []
    config: dict[str, Any] = {}
    if "max_completion_tokens" in chat:
        config["maxOutputTokens"] = chat["max_completion_tokens"]
    if gemini.sampling:
        config |= {name: chat[field] for field, name in _SAMPLING if field in chat}
    else:
        losses += [field for field, _ in _SAMPLING if chat.get(field, 1) != 1]
    if "seed" in chat:
        config["seed"] = chat["seed"] & _INT31
        losses += ["seed"] if config["seed"] != chat["seed"] else []
    if stops:
        config["stopSequences"] = stops[:STOPS_MAX]
    return Section({"generationConfig": config} if config else {}, losses)
