"""The request: its path, `generationConfig`, and everything around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from gateway.dialects.chat.params import custom_names
from gateway.dialects.google.messages import TAKEN, encode_messages
from gateway.dialects.google.models import Generation, generation
from gateway.dialects.google.schemas import RULES
from gateway.dialects.google.thinking import encode_thinking
from gateway.dialects.google.tools import add_hosted, encode_tools, fitted_names, hosted_row
from gateway.dialects.hosted_tools import split
from gateway.hub.contracts import Encoded
from gateway.hub.fields import TRANSLATED, Rule, apply, dropped, refused
from gateway.hub.losses import named
from gateway.hub.options import merge_options
from gateway.hub.schemas import fit_answer, paths, shortened
from gateway.hub.structured_output import hint, schema_of
from gateway.hub.tools import reverse_names
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
    _, losses = apply(chat, FIELDS, _UNKNOWN)
    asked, parts = chat, split(chat, hosted_row(chat, gemini))
    chat = parts.chat
    names = fitted_names(chat)
    system, contents = encode_messages(chat, names, gemini)
    body: dict[str, Any] = {"contents": contents}
    tools, tool_losses = encode_tools(chat, names)
    tools, hosted_losses = add_hosted(tools, parts, asked)
    tool_losses += [*hosted_losses, *named(asked, TAKEN)]
    config, config_losses = _generation_config(chat, gemini)
    config |= encode_thinking(chat, model, gemini)
    format_losses, instruction = _encode_format(config, chat, gemini)
    if instruction:
        system = {"parts": [*(system or {"parts": []})["parts"], {"text": instruction}]}
    if system:
        body["systemInstruction"] = system
    body |= tools
    if config:
        body["generationConfig"] = config
    return Encoded(
        path=_path(model.model_id, stream=bool(chat.get("stream"))),
        body=merge_options(body, model.options),
        dropped=(*losses, *tool_losses, *config_losses, *format_losses),
        names=reverse_names(names),
        custom_tools=custom_names(chat),
        unfence=bool(instruction),
    )


def _path(model_id: str, *, stream: bool) -> str:
    """Without `alt=sse` a stream is one long JSON array."""
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/models/{quote(model_id.removeprefix('models/'), safe='')}:{method}"


def _generation_config(chat: Chat, gemini: Generation) -> tuple[dict[str, Any], list[str]]:
    config: dict[str, Any] = {}
    losses: list[str] = []
    if "max_completion_tokens" in chat:
        config["maxOutputTokens"] = chat["max_completion_tokens"]
    for field, name in (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK")):
        if field in chat and gemini.sampling:
            config[name] = chat[field]
        elif field in chat and chat[field] != 1:
            losses.append(field)
    if "seed" in chat:
        config["seed"] = chat["seed"] & _INT31
    stops = chat.get("stop", [])
    if stops:
        config["stopSequences"] = stops[:STOPS_MAX]
    if len(stops) > STOPS_MAX:
        losses.append("stop")
    return config, losses


def _encode_format(config: dict[str, Any], chat: Chat, gemini: Generation) -> tuple[list[str], str]:
    """Puts the response format into `config`; returns (what was lost, an instruction in its
    place)."""
    wanted = chat.get("response_format") or {}
    if wanted.get("type") not in ("json_object", "json_schema"):
        return [], ""
    if chat.get("tools") and not gemini.schema_with_tools:
        # "Function calling with a response mime type: 'application/json' is unsupported"
        return ["response_format"], hint(wanted)
    config["responseMimeType"] = "application/json"
    schema = schema_of(wanted)
    if schema is None:
        return [], ""
    fitted = fit_answer(schema, RULES)
    config["responseJsonSchema"] = fitted.schema
    return shortened(paths("response_format.json_schema.schema", fitted.lost)), ""
