"""The request: the client's body → the hub's chat, and the notes that its answer needs.

One rule for every field of the API (`FIELDS`). A field that the gateway cannot honour and a client
relies on is refused; one that only the native lane can carry is named in `Request.dropped`; hints
disappear without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway.dialects.chat.normalize import invalid, normalize
from gateway.dialects.responses.inbound.errors import with_own_names
from gateway.dialects.responses.inbound.history import Expanded, not_found
from gateway.dialects.responses.inbound.items import Reader, kind_of
from gateway.dialects.responses.inbound.notes import Notes
from gateway.dialects.responses.inbound.order import arrange
from gateway.dialects.responses.inbound.tools import Chosen, Toolbox, decode_choice, type_of
from gateway.failures import Failed
from gateway.hub.contracts import Request
from gateway.hub.fields import PASSED, TRANSLATED, Action, Rule, dropped, refused, renamed
from gateway.hub.losses import lost_path
from gateway.types import Chat

_AT_ONE_ACCOUNT: Final = "it is kept at one account, and an agent has several"
_NATIVE_ONLY: Final = "only a provider of this API has it"
HINT: Final = TRANSLATED
"""A field that changes nothing about what the answer says; it is neither sent nor named."""

FIELDS: Final[Mapping[str, Rule]] = {
    "model": PASSED,
    "input": TRANSLATED,
    "instructions": TRANSLATED,
    "stream": PASSED,
    "stream_options": HINT,
    "tools": TRANSLATED,
    "tool_choice": TRANSLATED,
    "parallel_tool_calls": PASSED,
    "reasoning": TRANSLATED,
    "text": TRANSLATED,
    "max_output_tokens": renamed("max_completion_tokens"),
    "max_tool_calls": dropped("counts calls of built-in tools"),
    "temperature": PASSED,
    "top_p": PASSED,
    "top_logprobs": PASSED,
    "service_tier": PASSED,
    "metadata": PASSED,
    "user": PASSED,
    "safety_identifier": PASSED,
    "prompt_cache_key": PASSED,
    "prompt_cache_options": PASSED,
    "prompt_cache_retention": PASSED,
    "include": TRANSLATED,
    "store": TRANSLATED,
    "previous_response_id": TRANSLATED,
    "conversation": refused(_AT_ONE_ACCOUNT),
    "background": refused("the gateway answers while the client waits"),
    "background_options": refused("the gateway answers while the client waits"),
    "prompt": refused(_AT_ONE_ACCOUNT),
    "truncation": dropped("nothing is cut from a conversation"),
    "context_management": dropped(_NATIVE_ONLY),
    "client_metadata": HINT,
    "image": dropped(_NATIVE_ONLY),
    "access_programs": dropped(_NATIVE_ONLY),
    "moderation": dropped(_NATIVE_ONLY),
}
"""The rule of every field of the request (official SDK types, November 2026); an unknown one is
dropped."""

_UNKNOWN: Final = dropped("unknown to this gateway")
_NEUTRAL: Final[Mapping[str, Any]] = {"background": False, "truncation": "disabled"}
_LOGPROBS: Final = "message.output_text.logprobs"

_SHAPES: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "model": (str, "a string"),
    "input": ((str, list), "a string or an array of items"),
    "instructions": (str, "a string"),
    "stream": (bool, "a boolean"),
    "reasoning": (dict, "an object"),
    "text": (dict, "an object"),
    "metadata": (dict, "an object"),
    "previous_response_id": (str, "a string"),
}

ECHOED: Final = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
"""The fields of a request that a response object repeats."""

SUMMARIZE: Final = (
    "Write a summary of this conversation for yourself, so that you can go on with the task"
    " without it. State the task, what has been done and found so far with exact names, paths and"
    " values, what is left to do, and what the user asked to be respected. Answer with the summary"
    " alone."
)
"""The instruction for a model where the client wants the conversation compacted."""


def decode_request(body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    """A request in the hub's form. `body` has been through `history.expand`.

    Raises `Failed` (400) for a field or an item that this gateway cannot honour, naming it in the
    API's own words.
    """
    stated = {field: value for field, value in body.items() if value is not None}
    _check_shapes(stated)
    if "previous_response_id" in stated and not isinstance(body, Expanded):
        raise not_found(stated["previous_response_id"])
    losses = _check_rules(stated)
    items = _items(stated)
    current = _updated(stated, items)
    box = _toolbox(current, items)
    reader = Reader(box)
    said = list(arrange(reader.read(items)))
    messages = [*_instructions(stated), *said]
    chat = {**_passed(stated), **_translated(current), "messages": messages}
    notes = _notes(stated, headers, items, box)
    chosen = _ask_for_summary(chat) if notes.compacting else _add_tools(chat, current, box)
    losses += [*chosen.losses, *_text_losses(current), *_reasoning_losses(current)]
    losses += [*box.dropped, *reader.dropped]
    native_only = "tool_choice" if chosen.is_native_only else ""
    if not messages or (reader.dropped and not said and not notes.compacting):
        messages = messages or [{"role": "user", "content": ""}]
        native_only = "input"
    chat["messages"] = messages
    return Request(_normalized(chat), body, {}, tuple(losses), notes, notes.compacting, native_only)


def _notes(
    stated: Mapping[str, Any],
    headers: Mapping[str, str],
    items: Sequence[Mapping[str, Any]],
    box: Toolbox,
) -> Notes:
    return Notes(
        echo={field: stated[field] for field in ECHOED if field in stated},
        tools=box.names,
        refusal_as_text=headers.get("originator", "").lower().startswith("codex"),
        compacting=any(kind_of(item) == "compaction_trigger" for item in items),
        store=stated.get("store") is not False,
    )


def _ask_for_summary(chat: Chat) -> Chosen:
    """Makes the request one for a summary, which calls no tool and has no form."""
    chat["messages"].append({"role": "user", "content": SUMMARIZE})
    chat.pop("response_format", None)
    return Chosen()


def _normalized(chat: Chat) -> Chat:
    try:
        return normalize(chat)
    except Failed as failed:
        raise Failed(with_own_names(failed.failure)) from failed


# --- fields ---------------------------------------------------------------------------------------


def _check_shapes(stated: Mapping[str, Any]) -> None:
    if "model" not in stated:
        raise invalid("you must provide a model parameter", "model", "missing_required_parameter")
    for field, (shape, wanted) in _SHAPES.items():
        if field in stated and not isinstance(stated[field], shape):
            raise invalid(f"Invalid type for '{field}': expected {wanted}.", field, "invalid_type")


def _check_rules(stated: Mapping[str, Any]) -> list[str]:
    """The names of the fields that get lost. Raises `Failed` for one that is refused."""
    losses: list[str] = []
    for field, value in stated.items():
        rule = FIELDS.get(field, _UNKNOWN)
        if field in _NEUTRAL and value == _NEUTRAL[field]:
            continue
        if rule.action is Action.REFUSE:
            raise invalid(
                f"Unsupported parameter: '{field}': {rule.reason}.", field, "unsupported_parameter"
            )
        if rule.action is Action.DROP:
            losses.append(lost_path(field))
    return losses


def _passed(stated: Mapping[str, Any]) -> Chat:
    """The fields that the hub has as they are, under its names."""
    chat: Chat = {}
    for field, value in stated.items():
        rule = FIELDS.get(field, _UNKNOWN)
        if rule.action in (Action.PASS, Action.RENAME):
            chat[rule.to or field] = value
    return chat


def _translated(stated: Mapping[str, Any]) -> Chat:
    """The fields that the hub has in another place or form."""
    chat: Chat = {}
    effort = _table(stated, "reasoning").get("effort")
    if effort is not None:
        chat["reasoning_effort"] = effort
    text = _table(stated, "text")
    if text.get("verbosity") is not None:
        chat["verbosity"] = text["verbosity"]
    form = _table(text, "format")
    encode = _FORMATS.get(type_of(form))
    if encode is not None:
        chat["response_format"] = encode(form)
    included = stated.get("include")
    if isinstance(included, list) and _LOGPROBS in included:
        chat["logprobs"] = True
    return chat


def _json_schema(form: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {key: form[key] for key in _OF_FORMS if form.get(key) is not None},
    }


_OF_FORMS: Final = ("name", "description", "schema", "strict")


def _json_object(form: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_object"}


_FORMATS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "json_schema": _json_schema,
    "json_object": _json_object,
}

_SHOWN: Final = frozenset({"effort", "summary", "generate_summary"})
"""Members of `reasoning` that lose nothing: what a model thinks is shown in any case."""
_USUAL: Final[Mapping[str, str]] = {"mode": "standard", "context": "auto"}
"""Members of `reasoning` that only a provider of this API has, and what each says where it is left
out."""


def _text_losses(stated: Mapping[str, Any]) -> list[str]:
    """A form of the answer that the hub does not have."""
    text = _table(stated, "text")
    losses = [lost_path("text", key) for key in text if key not in ("format", "verbosity")]
    form = text.get("format")
    if not isinstance(form, Mapping) or type_of(form) not in (*_FORMATS, "text"):
        return [*losses, "text.format"] if form else losses
    others = [key for key in form if key != "type" and key not in _OF_FORMS]
    return [*losses, *(lost_path("text.format", key) for key in others)]


def _reasoning_losses(stated: Mapping[str, Any]) -> list[str]:
    reasoning = _table(stated, "reasoning")
    others = [key for key in reasoning if key not in _SHOWN]
    said = [key for key in others if reasoning[key] not in (None, _USUAL.get(key))]
    return [lost_path("reasoning", key) for key in said]


def _table(stated: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = stated.get(field)
    return value if isinstance(value, Mapping) else {}


# --- items ----------------------------------------------------------------------------------------


def _items(stated: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The input as a list. Raises `Failed` where there is nothing to answer."""
    given = stated.get("input")
    if given is None and "instructions" not in stated:
        raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    items: Any = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    if not items and "instructions" not in stated:
        raise invalid("Invalid 'input': the array is empty.", "input", "invalid_value")
    for number, item in enumerate(items):
        if not isinstance(item, Mapping):
            path = f"input[{number}]"
            raise invalid(f"Invalid type for '{path}': expected an object.", path, "invalid_type")
    return items  # type: ignore[no-any-return]


def _updated(stated: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The fields with what the last `configuration_update` says."""
    updates = [item for item in items if kind_of(item) == "configuration_update"]
    if not updates:
        return stated
    merged = {
        field: {**_table(stated, field), **_present(_table(updates[-1], field))}
        for field in ("reasoning", "text")
    }
    return {**stated, **merged}


def _present(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def _toolbox(stated: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Toolbox:
    """All tools: those of the request, those that an item adds, and those that a search has
    found."""
    box = Toolbox()
    box.declare(stated.get("tools"), "tools")
    for number, item in enumerate(items):
        if kind_of(item) in ("additional_tools", "tool_search_output"):
            box.declare(item.get("tools"), f"input[{number}].tools")
    return box


def _add_tools(chat: Chat, stated: Mapping[str, Any], box: Toolbox) -> Chosen:
    tools = box.tools()
    if tools:
        chat["tools"] = tools
    chosen = decode_choice(stated["tool_choice"], box) if "tool_choice" in stated else Chosen()
    if chosen.choice is not None:
        chat["tool_choice"] = chosen.choice
    return chosen


def _instructions(stated: Mapping[str, Any]) -> list[dict[str, Any]]:
    text = stated.get("instructions")
    return [{"role": "developer", "content": text}] if text else []
