"""The request: which fields go where."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from gateway.dialects.chat.hosted import RESPONSES
from gateway.dialects.chat.models import Family, family, on_responses
from gateway.dialects.responses.messages import TAKEN, encode_messages
from gateway.dialects.responses.structured import encode_format
from gateway.dialects.responses.thinking import encode_thinking
from gateway.dialects.responses.tools import NAMING, encode_tools
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
from gateway.hub.tools import digest
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
    kind = on_responses(family(model.provider.name, model.model_id))
    origin = digest(" ".join(model.key), 12)
    survey = survey_request(chat, model, naming=NAMING, row=RESPONSES)
    thinking, thinks = encode_thinking(survey.level, kind)
    form = encode_format(survey.form, model.provider.name)
    body, losses = joined(
        (
            Section(*apply(survey.split.chat, _rules(model.provider), PASSED)),
            Section({"model": model.model_id}),
            encode_messages(survey, origin, hints=(form.hint,)),
            _limits(chat),
            encode_tools(survey, model.provider.name),
            Section(losses=[*survey.unread, *named(survey.messages, survey.tools, TAKEN)]),
            thinking,
            form,
            _sampling(chat, kind, thinks=thinks),
        )
    )
    if chat.get("logprobs"):
        body["include"] = [*body.get("include", ()), "message.output_text.logprobs"]
    return Encoded(
        path="/responses",
        body=merge_options(body, model.options),
        dropped=tuple(losses),
        names=survey.client_names,
        unfence=bool(form.hint),
        origin=origin,
    )


def _limits(chat: Chat) -> Section:
    """The limits of the answer, and the options of its stream."""
    fields: dict[str, Any] = {}
    if chat.get("stream"):
        fields["stream_options"] = {"include_obfuscation": False}
    limit = chat.get("max_completion_tokens")
    if limit is not None:
        fields["max_output_tokens"] = max(OUTPUT_TOKENS_MIN, limit)
    is_raised = limit is not None and limit < OUTPUT_TOKENS_MIN
    return Section(fields, ["max_completion_tokens"] if is_raised else [])


_SAMPLING: Final[tuple[str, ...]] = ("temperature", "top_p")


def _sampling(chat: Chat, kind: Family, *, thinks: bool) -> Section:
    """The verbosity, and the fields of `_SAMPLING` where the family takes them."""
    fields = {"text": {"verbosity": chat["verbosity"]}} if "verbosity" in chat else {}
    stated = {field: chat[field] for field in _SAMPLING if field in chat}
    if kind.sampling == "always" or (kind.sampling == "effort_none" and not thinks):
        return Section({**fields, **stated})
    losses = [field for field in stated if not is_neutral(field, stated[field])]
    return Section(fields, losses)
