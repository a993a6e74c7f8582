"""Whatever a client sent → a normalised chat (`schema.py` says what that guarantees). The inbound face's first half.

Clients are many and sloppy, and an agent's history holds what some model once wrote; repair beats refusal wherever the
meaning is plain. What is refused names the field, as OpenAI does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.failures import Failed, Failure, Kind
from gateway.hub.counts import COUNT_MAX
from gateway.hub.schema import ROLES
from gateway.hub.tools import arguments_text, digest
from gateway.types import Chat

NO_RESULT: Final = "[no result: interrupted]"
"""Answers a tool call that the client never answered; every provider refuses an unanswered one."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def invalid(message: str, param: str | None, code: str | None = None) -> Failed:
    """An error of the client's own request."""
    return Failed(Failure(Kind.INVALID_REQUEST, message, status=400, param=param, code=code))


def parse(body: bytes) -> dict[str, Any]:
    """The request's JSON object. Raises `Failed` when it is none.

    orjson refuses lone surrogates, which chat histories do hold (a model's emoji cut in half); such a body is read by
    the standard library, and they become U+FFFD.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = _parse_scrubbed(body, error)
    if not isinstance(value, dict):
        raise invalid("The request body must be a JSON object.", None)
    return value


def _parse_scrubbed(body: bytes, error: orjson.JSONDecodeError) -> Any:
    message = f"We could not parse the JSON body of your request: {error}"
    if b"\\u" not in body:
        raise invalid(message, None) from error
    try:
        return scrub(json.loads(body, parse_constant=_no_constant))
    except (ValueError, RecursionError):
        raise invalid(message, None) from error


def _no_constant(name: str) -> None:
    """`NaN` and `Infinity`, which the standard library reads and JSON does not know."""
    raise ValueError(f"{name} is no JSON")


def scrub(value: Any) -> Any:
    """`value` with every lone surrogate replaced by U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [scrub(item) for item in value]
    if isinstance(value, dict):
        return {scrub(key): scrub(item) for key, item in value.items()}
    return value


def speaks_functions(body: Mapping[str, Any]) -> bool:
    """Whether a request offers the deprecated `functions`, and is to be answered with `function_call`."""
    return bool(body.get("functions")) and not body.get("tools")


def normalize(body: Mapping[str, Any]) -> Chat:
    """A normalised chat. Raises `Failed` naming the field that is wrong. `body` is not changed."""
    chat: Chat = {field: value for field, value in body.items() if value is not None}
    _check_types(chat)
    _fold_limit(chat)
    _plain_choice(chat)
    _drop_empty(chat)
    _modernise_functions(chat)
    chat["messages"] = list(pair(_results_first(_messages(body.get("messages")))))
    return chat


# --- top level -------------------------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and 1 <= value <= COUNT_MAX


def _is_seed(value: Any) -> bool:
    return _is_number(value) and -(2**63) <= value < 2**63


_TYPES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "model": (lambda value: isinstance(value, str) and bool(value), "a non-empty string"),
    "messages": (lambda value: isinstance(value, list) and bool(value), "a non-empty array"),
    "max_tokens": (_is_count, "an integer of at least 1"),
    "max_completion_tokens": (_is_count, "an integer of at least 1"),
    "temperature": (lambda value: _is_number(value) and 0 <= value <= 2, "a number from 0 to 2"),
    "top_p": (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
    "n": (_is_count, "an integer of at least 1"),
    "stop": (lambda value: isinstance(value, str | list), "a string or an array of strings"),
    "stream": (lambda value: isinstance(value, bool), "a boolean"),
    "stream_options": (lambda value: isinstance(value, dict), "an object"),
    "tools": (lambda value: isinstance(value, list), "an array of tools"),
    "tool_choice": (lambda value: isinstance(value, str | dict), "a string or an object"),
    "functions": (lambda value: isinstance(value, list), "an array of functions"),
    "response_format": (lambda value: isinstance(value, dict), "an object"),
    "reasoning_effort": (lambda value: isinstance(value, str), "a string"),
    "logit_bias": (lambda value: isinstance(value, dict), "an object"),
    "metadata": (lambda value: isinstance(value, dict), "an object"),
    "seed": (_is_seed, "an integer of 64 bits"),
}


_ANYTHING: Final[tuple[Callable[[Any], bool], str]] = (lambda value: True, "")


def _check_types(chat: Chat) -> None:
    for field in ("model", "messages"):
        if field not in chat:
            raise invalid(f"you must provide a {field} parameter", field, "missing_required_parameter")
    for field, value in chat.items():
        accepts, wanted = _TYPES.get(field, _ANYTHING)
        if not accepts(value):
            raise invalid(f"Invalid value for '{field}': expected {wanted}.", field, "invalid_value")
    for field in ("max_tokens", "max_completion_tokens", "seed", "n"):
        if isinstance(chat.get(field), float):
            chat[field] = int(chat[field])
    for number, tool in enumerate(chat.get("tools", ())):
        _check_tool(tool, f"tools[{number}]")
    for number, function in enumerate(chat.get("functions", ())):
        _check_named(function, f"functions[{number}]")


def _check_tool(tool: Any, path: str) -> None:
    if not isinstance(tool, dict):
        raise invalid(f"Invalid type for '{path}': expected an object.", path, "invalid_type")
    kind = "custom" if tool.get("type") == "custom" else "function"
    _check_named(tool.get(kind), f"{path}.{kind}")


def _check_named(definition: Any, path: str) -> None:
    if not isinstance(definition, dict) or not isinstance(definition.get("name"), str):
        raise invalid(f"Missing required parameter: '{path}.name'.", f"{path}.name")


def _fold_limit(chat: Chat) -> None:
    limit = chat.pop("max_tokens", None)
    if limit is not None:
        chat.setdefault("max_completion_tokens", limit)


def _plain_choice(chat: Chat) -> None:
    """`tool_choice` as chat completions write it, where a client writes it as one of the sister APIs does."""
    choice = chat.get("tool_choice")
    if not isinstance(choice, dict):
        return
    kind = choice.get("type")
    if kind in ("auto", "none", "required", "any"):
        chat["tool_choice"] = "required" if kind == "any" else kind
    elif kind == "allowed_tools" and "allowed_tools" not in choice:
        chat["tool_choice"] = {"type": kind, "allowed_tools": {key: choice[key] for key in choice if key != "type"}}
    elif isinstance(choice.get("name"), str) and not {"function", "custom"} & set(choice):
        kind = "custom" if kind == "custom" else "function"
        chat["tool_choice"] = {"type": kind, kind: {"name": choice["name"]}}


def _drop_empty(chat: Chat) -> None:
    stop = chat.pop("stop", [])
    stops = [text for text in ([stop] if isinstance(stop, str) else stop) if isinstance(text, str) and text]
    if stops:
        chat["stop"] = stops
    for field in ("tools", "functions", "logit_bias"):
        if field in chat and not chat[field]:
            del chat[field]
    if not chat.get("stream"):
        chat.pop("stream_options", None)
    if not chat.get("logprobs"):
        chat.pop("top_logprobs", None)
    if "tools" not in chat and "functions" not in chat:
        choice = chat.pop("tool_choice", None)
        if choice == "required" or isinstance(choice, dict):
            raise invalid("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
        chat.pop("parallel_tool_calls", None)


def _modernise_functions(chat: Chat) -> None:
    """`functions` and `function_call`, deprecated since 2023, as `tools` and `tool_choice`; `tools` win."""
    functions = chat.pop("functions", None)
    choice = chat.pop("function_call", None)
    if functions and "tools" not in chat:
        chat["tools"] = [{"type": "function", "function": function} for function in functions]
        if isinstance(choice, str):
            chat["tool_choice"] = choice
        elif isinstance(choice, dict):
            chat["tool_choice"] = {"type": "function", "function": {"name": choice.get("name", "")}}


# --- messages --------------------------------------------------------------------------------------------------------


def _messages(messages: Any) -> Iterator[dict[str, Any]]:
    for number, message in enumerate(messages):
        path = f"messages[{number}]"
        if not isinstance(message, dict):
            raise invalid(f"Invalid type for '{path}': expected an object.", path, "invalid_type")
        role = message.get("role")
        if role == "function":
            yield _legacy_result(message, path)
        elif role == "assistant":
            yield _assistant(message, path)
        elif isinstance(role, str) and role in ROLES:
            result = _present(message)
            result["content"] = _content(result.get("content"), path)
            yield result
        else:
            known = ", ".join(sorted(ROLES))
            raise invalid(f"Invalid value: {role!r}. Supported values are: {known}.", f"{path}.role", "invalid_value")


def _present(message: Mapping[str, Any]) -> dict[str, Any]:
    if None not in message.values():
        return dict(message)
    return {key: value for key, value in message.items() if value is not None}


def _content(content: Any, path: str) -> str | list[dict[str, Any]]:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return [_part(part, f"{path}.content[{number}]") for number, part in enumerate(content)] or ""
    raise invalid(
        f"Invalid type for '{path}.content': expected a string or an array of parts.",
        f"{path}.content",
        "invalid_type",
    )


_TEXTS: Final = frozenset({"input_text", "output_text"})
"""What the Responses API calls text; its clients mix the two."""
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking", "reasoning"})
"""Parts of an assistant message that other APIs' histories hold; no model takes another's."""


def _part(part: Any, path: str) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise invalid(f"Missing required parameter: '{path}.type'.", f"{path}.type")
    if part["type"] in _TEXTS:
        return _part({**part, "type": "text"}, path)
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        raise invalid(f"Missing required parameter: '{path}.text'.", f"{path}.text")
    if part["type"] == "image_url":
        image = part.get("image_url")
        if isinstance(image, str):
            return {**part, "image_url": {"url": image}}
        if not isinstance(image, dict) or not isinstance(image.get("url"), str):
            raise invalid(f"Missing required parameter: '{path}.image_url.url'.", f"{path}.image_url.url")
    return part


def _assistant(message: Mapping[str, Any], path: str) -> dict[str, Any]:
    result = _present(message)
    if "content" in result:
        result["content"] = _without_thoughts(_content(result["content"], path))
    legacy = result.pop("function_call", None)
    calls = result.pop("tool_calls", None)
    if isinstance(legacy, dict) and not calls:
        calls = [{"id": _legacy_id(legacy.get("name")), "type": "function", "function": legacy}]
    if isinstance(calls, list) and calls:
        result["tool_calls"] = [_tool_call(call, f"{path}.tool_calls[{number}]") for number, call in enumerate(calls)]
    return result


def _without_thoughts(content: str | list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    return [part for part in content if part["type"] not in _THOUGHTS] or ""


def _tool_call(call: Any, path: str) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise invalid(f"Invalid type for '{path}': expected an object.", path, "invalid_type")
    id_ = call.get("id") or "call_" + digest(path + orjson.dumps(call, default=str).decode(), 24)
    result = {"id": str(id_), "type": "custom" if "custom" in call else "function"}
    if call.get("extra_content"):
        result["extra_content"] = call["extra_content"]
    if "custom" in call:
        return {**result, "custom": call["custom"] or {}}
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise invalid(f"Missing required parameter: '{path}.function.name'.", f"{path}.function.name")
    arguments = arguments_text(function.get("arguments") or "")
    return {**result, "function": {"name": function["name"], "arguments": arguments}}


def _legacy_id(name: Any) -> str:
    return "call_" + digest(f"function {name}", 24)


def _legacy_result(message: Mapping[str, Any], path: str) -> dict[str, Any]:
    content = _content(message.get("content"), path)
    return {"role": "tool", "tool_call_id": _legacy_id(message.get("name")), "content": content}


# --- pairs -----------------------------------------------------------------------------------------------------------


def _results_first(messages: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Results before whatever was said between a call and them: a hint of the system's, the user's impatience."""
    said: list[dict[str, Any]] = []
    called = False
    for message in messages:
        if called and message["role"] in ("user", "system", "developer"):
            said.append(message)
            continue
        if message["role"] == "assistant":
            yield from said
            said, called = [], "tool_calls" in message
        yield message
    yield from said


def pair(messages: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every tool call followed by its results, every result after its call, no id twice in a conversation.

    A call without a result gets `NO_RESULT` (the user interrupted the tool); a result without its call becomes user
    text, after the results that do belong there. Some models count their calls from zero in every turn, and some
    providers refuse a conversation that says an id twice; the later call and its result are renamed.
    """
    used: set[str] = set()
    waiting: list[tuple[str, str]] = []  # (the client's id, ours)
    orphans: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] != "tool":
            if waiting or orphans:
                yield from _close(waiting, orphans)
            for call in message.get("tool_calls", ()):
                id_ = _unused(call["id"], used)
                waiting.append((call["id"], id_))
                call["id"] = id_
            yield message
            continue
        stated = message.get("tool_call_id")
        answered = next((ids for ids in waiting if stated is None or str(stated) == ids[0]), None)
        if answered is not None:
            waiting.remove(answered)
            message["tool_call_id"] = answered[1]
            yield message
        else:
            orphans.append({"role": "user", "content": message["content"]})
    yield from _close(waiting, orphans)


def _unused(id_: str, used: set[str]) -> str:
    """`id_`, or with a number behind it where it was used before; depends on nothing but what came before."""
    candidate, number = id_, 1
    while candidate in used:
        number += 1
        candidate = f"{id_}_{number}"
    used.add(candidate)
    return candidate


def _close(waiting: list[tuple[str, str]], orphans: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for _, id_ in waiting:
        yield {"role": "tool", "tool_call_id": id_, "content": NO_RESULT}
    yield from orphans
    waiting.clear()
    orphans.clear()
