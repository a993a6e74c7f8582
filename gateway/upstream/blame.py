"""Whose fault a refused request is: the client's, or that of the translation. Pure: values in, a
kind out.

A provider that speaks another format than the client sees a request that the client never wrote.
Where its 400 is about something that the client did not send, the next model is tried, which may
take its own form. A 400 about what the client did send ends the call, and so does one that says
nothing of what it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.dialects import REPLAYED, Encoded
from gateway.failures import Failure, Kind
from gateway.text.quotes import without_quotations
from gateway.types import Chat, Model

_READ_CHARS: Final = 600
"""Where a message names what it is about."""
_PATHS: Final = re.compile(
    r"^[\s*(]{0,5}([A-Za-z_][\w.\[\]-]{0,200})"
    r"|['\"`]([A-Za-z_][\w.\[\]-]{0,200})['\"`]"
    r"|(?<!\w)([a-z_]{1,40}(?:\[\d{1,6}\]|\.\d{1,6})[\w.\[\]]{0,200})"
)
_STEPS: Final = re.compile(r"[A-Za-z_][\w-]*|\d+")
_REQUEST_CLASS: Final = re.compile(r"^[A-Z]\w*Request\.")
_CONTENT: Final = re.compile(
    r"\b(image|audio|video|document|pdf|file|base64|media|url|uri)s?\b", re.IGNORECASE
)
"""What a client attaches travels as it is: the client's own, wherever the path leads."""
_SCHEMA: Final = re.compile(r"schema|function[ _]?declaration|parameters", re.IGNORECASE)
_ORDER: Final = re.compile(
    r"\b(roles?|turns?|order|alternat\w+|tool_\w+|tool|function|must (start|end|begin))\b", re.I
)
"""How messages follow each other, which the translation decides."""
_NAMES_A_FIELD: Final = re.compile(
    r"^[\s*(]{0,5}(?!\S{0,200}[Ee]rror\b)[a-z_][\w.\[\]-]{0,200}:"
    r"|\b(?:parameter|field|argument|property|name|key)s?:? {0,3}['\"`]"
)
"""A field that neither request has is one that the provider made of ours."""
_UNSAID: Final = re.compile(r"^\s*request contains an invalid argument", re.IGNORECASE)
"""Google's words for whatever it does not name, which is most often a schema."""
_CONVERSATION: Final = frozenset(
    {"messages", "contents", "input", "system", "systeminstruction", "instructions"}
)
_SCHEMAS: Final = ("tools", "response_format")
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "maxtokens": ("max_completion_tokens", "max_tokens"),
    "maxoutputtokens": ("max_completion_tokens", "max_tokens"),
    "maxcompletiontokens": ("max_completion_tokens", "max_tokens"),
    "stopsequences": ("stop",),
    "candidatecount": ("n",),
    "randomseed": ("seed",),
    "responselogprobs": ("logprobs",),
    "outputdimension": ("dimensions",),
    "outputdimensionality": ("dimensions",),
}
"""Fields that providers know by another name than the client, without underscores."""


def judged(
    failure: Failure, encoded: Encoded, chat: Chat, model: Model, *, is_own_format: bool
) -> Failure:
    """`failure`, with another kind where neither the client nor the model is to blame for it."""
    if failure.kind is Kind.MODEL_UNKNOWN and _is_another_model(failure, chat, model):
        return failure.with_(kind=Kind.REQUEST_DENIED)
    if failure.param in model.options:
        return failure  # the operator's own field
    if failure.kind is Kind.INVALID_REQUEST and is_of_translation(
        failure, encoded.body, chat, is_own_format=is_own_format
    ):
        return failure.with_(kind=Kind.TRANSLATION_REFUSED)
    return failure


def is_of_translation(
    failure: Failure, body: Mapping[str, Any], chat: Chat, *, is_own_format: bool
) -> bool:
    """Whether a refusal is about something in `body` that the client did not write in `chat`."""
    if failure.param == REPLAYED or _CONTENT.search(failure.message[:_READ_CHARS]):
        return False
    path = _path(failure, body, chat)
    if path is None:
        return _is_of_translation_unnamed(failure, body, chat, is_own_format=is_own_format)
    if len(path) == 1 and _plain(path[0]) in _CONVERSATION:
        return not is_own_format and _ORDER.search(_words(failure)) is not None
    if len(path) <= 2 and _is_value_of_the_client(path[-1], chat):
        return False
    return not _is_the_same(path, body, chat)


def _is_of_translation_unnamed(
    failure: Failure, body: Mapping[str, Any], chat: Chat, *, is_own_format: bool
) -> bool:
    """The same where no field of either request is named: without a word of what the translation
    writes, the fault is the request's."""
    words = _words(failure)
    if _SCHEMA.search(words):
        return _schemas_differ(body, chat)
    if is_own_format:
        return False
    if _UNSAID.search(words):
        return any(name in chat for name in _SCHEMAS)
    names_a_field = failure.param or _NAMES_A_FIELD.search(failure.message[:_READ_CHARS])
    return bool(names_a_field) or _ORDER.search(words) is not None


def _words(failure: Failure) -> str:
    """The provider's own: what it quotes is the client's."""
    return without_quotations(failure.message[:_READ_CHARS])


def _is_another_model(failure: Failure, chat: Chat, model: Model) -> bool:
    """Whether the model that is unknown is one of those that the client names beside ours: `models`
    of a router, that of a hosted tool."""
    if _is_named(model.model_id, failure.message):
        return False
    others, tools = chat.get("models"), chat.get("tools")
    named = list(others) if isinstance(others, list) else []
    if isinstance(tools, list):
        named += [tool.get("model") for tool in tools if isinstance(tool, Mapping)]
    return any(isinstance(each, str) and _is_named(each, failure.message) for each in named)


def _is_named(model_id: str, message: str) -> bool:
    """Whether a message names a model, and not another whose id begins or ends alike."""
    name = rf"(?<![\w/@-]){re.escape(model_id)}(?![\w/@:-])"
    return bool(model_id) and re.search(name, message) is not None


def _path(failure: Failure, body: Mapping[str, Any], chat: Chat) -> Sequence[str] | None:
    """The first path in the failure's words that begins with a field of either request."""
    fields = {_plain(name) for name in (*body, *chat)}
    for text in _candidates(failure):
        steps = _STEPS.findall(_REQUEST_CLASS.sub("", text))
        if steps and _plain(steps[0]) in fields | _ALIASES.keys():
            return steps
    return None


def _candidates(failure: Failure) -> Iterator[str]:
    for match in _PATHS.finditer(failure.message[:_READ_CHARS]):
        yield match[1] or match[2] or match[3]
    if failure.param:
        yield failure.param


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _schemas_differ(body: Mapping[str, Any], chat: Chat) -> bool:
    """Whether the schemas that went out are others than the client's; so are schemas that it never
    sent."""
    sent = [name for name in _SCHEMAS if name in chat]
    return not sent or any(body.get(name) != chat[name] for name in sent)


def _is_value_of_the_client(name: str, chat: Chat) -> bool:
    """Whether a field is a plain value that the client set, by this name or another."""
    plain = _plain(name)
    names = (*_ALIASES.get(plain, ()), *(key for key in chat if _plain(key) == plain))
    return any(key in chat and not isinstance(chat[key], dict | list) for key in names)


def _is_the_same(path: Sequence[str], body: Any, chat: Any) -> bool:
    """Whether both requests hold the same value at `path`, or at the deepest place of it that both
    have."""
    shared = 0
    for step in path:
        inner, theirs = _step(body, step), _step(chat, step)
        if inner is None or theirs is None:
            break
        body, chat, shared = inner, theirs, shared + 1
    return shared > 0 and body == chat


def _step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and step.isdigit() and int(step[:6]) < len(value):
        return value[int(step[:6])]
    return None
