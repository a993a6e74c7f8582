"""The request: which fields go where."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from gateway.dialects.chat.models import Family, family, on_responses
from gateway.dialects.chat.params import takes_sampling
from gateway.dialects.chat.structured import fit_format
from gateway.dialects.chat.thinking import effort, reasons
from gateway.dialects.hosted_rows import RESPONSES
from gateway.dialects.hosted_tools import split
from gateway.dialects.responses.messages import TAKEN, encode_messages
from gateway.dialects.responses.tools import add_hosted, encode_tools
from gateway.hub.contracts import Encoded
from gateway.hub.fields import PASSED, TRANSLATED, Rule, apply, dropped, is_neutral, refused
from gateway.hub.losses import named
from gateway.hub.options import merge_options
from gateway.hub.structured_output import hint
from gateway.hub.tools import HUB_TOOL_NAME, digest, with_fitted_names
from gateway.types import Chat, Model, Provider

_NO_SUCH: Final = "the Responses API has no such parameter"

FIELDS: Final[Mapping[str, Rule]] = {
    "model": TRANSLATED,
    "messages": TRANSLATED,
    "max_completion_tokens": TRANSLATED,
    "temperature": TRANSLATED,
    "top_p": TRANSLATED,
    "n": refused(_NO_SUCH),
    "stop": dropped(_NO_SUCH),
    "stream": PASSED,
    "stream_options": TRANSLATED,
    "frequency_penalty": dropped(_NO_SUCH),
    "presence_penalty": dropped(_NO_SUCH),
    "logit_bias": dropped(_NO_SUCH),
    "logprobs": TRANSLATED,
    "top_logprobs": PASSED,
    "seed": dropped(_NO_SUCH),
    "response_format": TRANSLATED,
    "tools": TRANSLATED,
    "tool_choice": TRANSLATED,
    "parallel_tool_calls": PASSED,
    "reasoning_effort": TRANSLATED,
    "verbosity": TRANSLATED,
    "modalities": refused("this API answers in text"),
    "audio": refused("this API answers in text"),
    "prediction": dropped(_NO_SUCH),
    "web_search_options": refused("no web search through this gateway"),
    "metadata": PASSED,
    "store": dropped("nothing is stored at the provider"),
    "service_tier": PASSED,
    "prompt_cache_key": PASSED,
    "prompt_cache_retention": PASSED,
    "prompt_cache_options": PASSED,
    "safety_identifier": PASSED,
    "user": PASSED,
    "moderation": PASSED,
    # extensions of other servers
    "reasoning": TRANSLATED,
    "thinking": TRANSLATED,
    "cache_control": dropped("this provider caches by itself"),
    # fields of this API itself
    "truncation": PASSED,
    "max_tool_calls": PASSED,
    "include": dropped("the gateway asks for what it reads"),
    "background": refused("the answer is awaited"),
}

OUTPUT_TOKENS_MIN: Final = 16
"""The API's smallest `max_output_tokens`."""


@lru_cache(maxsize=64)
def _rules(provider: Provider) -> Mapping[str, Rule]:
    return {
        **FIELDS,
        **{
            field: dropped(reason)
            for field, reason in provider.dropped.items()
            if field not in FIELDS
        },
    }


def encode_request(chat: Chat, model: Model) -> Encoded:
    """A Responses request for `model`. Raises `Unsupported`."""
    asked, parts = chat, split(chat, RESPONSES)
    chat, names = with_fitted_names(parts.chat, HUB_TOOL_NAME, length_max=64)
    kind = on_responses(family(model.provider.name, model.model_id))
    body, losses = apply(chat, _rules(model.provider), PASSED)
    origin = digest(" ".join(model.key), 12)
    instructions, items = encode_messages(chat, origin)
    body |= {"model": model.model_id, "input": items, "store": False}
    if instructions:
        body["instructions"] = instructions
    if chat.get("stream"):
        body["stream_options"] = {"include_obfuscation": False}
    if "max_completion_tokens" in chat:
        body["max_output_tokens"] = max(OUTPUT_TOKENS_MIN, chat["max_completion_tokens"])
    tools, tool_losses = encode_tools(chat, model.provider.name)
    body |= add_hosted(tools, parts, asked)
    losses += [*parts.losses, *named(asked, TAKEN)]
    body |= _reasoning(chat, model, kind)
    text, text_losses, instruction = _text(chat, model.provider.name)
    if text:
        body["text"] = text
    if instruction:
        body["instructions"] = "\n\n".join(filter(None, (body.get("instructions"), instruction)))
    losses += _sampling(body, chat, takes=takes_sampling(chat, model, kind))
    return Encoded(
        "/responses",
        merge_options(body, model.options),
        dropped=(*losses, *tool_losses, *text_losses),
        names=names,
        unfence=bool(instruction),
        origin=origin,
    )


def _reasoning(chat: Chat, model: Model, kind: Family) -> dict[str, Any]:
    """The effort, summaries for the client to see, and the encrypted items to bring back."""
    if not kind.efforts:
        return {}
    chosen = effort(chat, model, kind)
    reasoning: dict[str, Any] = {"effort": chosen} if chosen else {}
    if not reasons(chat, model, kind):
        return {"reasoning": reasoning} if reasoning else {}
    return {
        "reasoning": {**reasoning, "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }


def _text(chat: Chat, provider_name: str) -> tuple[dict[str, Any], list[str], str]:
    """(`text`, what was lost, an instruction in the place of a schema that the API refuses)."""
    text: dict[str, Any] = {}
    losses: list[str] = []
    instruction = ""
    wanted = chat.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        encoded, losses = fit_format(wanted, provider_name)
        if encoded is None:
            losses, instruction = ["response_format"], hint(wanted)
        else:
            text["format"] = {"type": "json_schema", **encoded}
    elif wanted.get("type") == "json_object":
        text["format"] = {"type": "json_object"}
    if "verbosity" in chat:
        text["verbosity"] = chat["verbosity"]
    return text, losses, instruction


def _sampling(body: dict[str, Any], chat: Chat, *, takes: bool) -> list[str]:
    losses: list[str] = []
    for field in ("temperature", "top_p"):
        if field in chat and takes:
            body[field] = chat[field]
        elif not is_neutral(field, chat.get(field)):
            losses.append(field)
    if chat.get("logprobs"):
        body.setdefault("include", []).append("message.output_text.logprobs")
    return losses
