"""The conversation: messages of three APIs and the items of one → messages of chat completions.

A message or an item becomes one or more messages; `pairing` then joins the parts of one answer and
puts results behind their calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.chat.normalize.refusals import an_id, an_object, invalid, missing, wrong_type
from gateway.dialects.chat.normalize.sister_forms import Part, decode_part, decode_parts
from gateway.hub import exact_json
from gateway.hub.schema import ROLES
from gateway.hub.tools import arguments_text, digest

Message = dict[str, Any]

_THOUGHTS: Final = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text"}
)
"""Parts of an assistant message that hold reasoning: no model takes another's."""

_PLAIN: Final = frozenset({"role", "content"})
_SPEAKERS: Final = ("user", "assistant", "system", "developer")
"""Roles whose message, with a text and nothing else, is what it has to be."""


def decode_messages(messages: list[Any], source: str = "messages") -> list[Message]:
    """`messages` (or `input`, which `source` then says) as messages. Raises `Failed`."""
    decoded: list[Message] = []
    for number, message in enumerate(messages):
        if (
            type(message) is dict
            and message.keys() == _PLAIN
            and type(message["content"]) is str
            and message["role"] in _SPEAKERS
        ):
            decoded.append(message)  # most messages are such, and normal already
            continue
        path = f"{source}[{number}]"
        if isinstance(message, str) and source == "input":
            message = {"role": "user", "content": message}
        decoded += _decode(_present(an_object(message, path)), path)
    return decoded


def _decode(message: Message, path: str) -> list[Message]:
    role = message.get("role")
    if role is None and isinstance(message.get("type"), str):
        return _item(message, path)
    if isinstance(role, str) and role in _ROLES:
        return _ROLES[role](message if role == "assistant" else _callless(message, path), path)
    known = ", ".join(sorted(ROLES))
    shown = repr(role[:64]) if isinstance(role, str) else "no role"
    text = f"Invalid value: {shown}. Supported values are: {known}."
    raise invalid(text, f"{path}.role", "invalid_value")


def _present(message: Message) -> Message:
    """A copy without `null`; a Responses message's own type says nothing."""
    return {
        key: value
        for key, value in message.items()
        if value is not None and (key, value) != ("type", "message")
    }


def _callless(message: Message, path: str) -> Message:
    """A message of any role but the assistant's, which alone calls tools. Raises `Failed` for one
    with calls: whose they are cannot be guessed."""
    for field in _CALLS & message.keys():
        if message[field]:
            text = f"'{path}.{field}' is only allowed in a message of the role 'assistant'."
            raise invalid(text, f"{path}.{field}", "invalid_value")
    return {key: value for key, value in message.items() if key not in _CALLS}


_CALLS: Final = frozenset({"tool_calls", "function_call"})


def _content(content: Any, path: str) -> str | list[Part]:
    """Text, or parts; "" for nothing."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return decode_parts(content, f"{path}.content") or ""


# --- roles ----------------------------------------------------------------------------------------


def _plain(message: Message, path: str) -> list[Message]:
    return [{**message, "content": _content(message.get("content"), path)}]


def _user(message: Message, path: str) -> list[Message]:
    """Results that a user message holds come first, each as a message; then what the user says."""
    content = message.get("content")
    if isinstance(content, str) or not _has_results(content):
        return _plain(message, path)
    results: list[Message] = []
    said: list[Part] = []
    for number, part in enumerate(_listed(content)):
        part_path = f"{path}.content[{number}]"
        if _is_result(part):
            results.append(_block_result(part, part_path))
        else:
            said += decode_part(part, part_path)
    return [*results, {**message, "role": "user", "content": said}] if said else results


def _listed(content: Any) -> Any:
    """A single part as a list of one; anything else as it is."""
    return [content] if isinstance(content, dict) and "type" in content else content


def _has_results(content: Any) -> bool:
    listed = _listed(content)
    return isinstance(listed, list) and any(map(_is_result, listed))


def _is_result(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_result"


def _block_result(part: Part, path: str) -> Message:
    """A `tool_result` block."""
    if not part.get("tool_use_id"):
        raise missing(f"{path}.tool_use_id")
    result = {
        "role": "tool",
        "tool_call_id": an_id(part["tool_use_id"], f"{path}.tool_use_id"),
        "content": _result_content(part.get("content"), path),
    }
    others = {key: part[key] for key in part if key not in ("type", "tool_use_id", "content")}
    return {**{key: value for key, value in others.items() if value}, **result}


_RESULT_IDS: Final = ("tool_call_id", "tool_use_id", "call_id")
"""What the id of a result is called: by chat completions, the Messages API, the Responses API."""


def _tool(message: Message, path: str) -> list[Message]:
    if _has_results(message.get("content")):
        return _user(message, path)
    result = {key: message[key] for key in message if key not in _RESULT_IDS}
    stated = next((message[key] for key in _RESULT_IDS if message.get(key)), None)
    if stated is not None:
        result["tool_call_id"] = an_id(stated, f"{path}.tool_call_id")
    result["content"] = _result_content(message.get("content"), path)
    return [result]


def _result_content(content: Any, path: str) -> str | list[Part]:
    """A tool's result: text, parts, or any JSON value, which goes on as its text."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list) and all(map(_is_part, content)):
        return _content(content, path)
    if isinstance(content, dict) and _is_part(content):
        return _content(content, path)
    return exact_json.dumps(content).decode()


def _is_part(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, dict) and isinstance(value.get("type"), str)
    )


def _legacy_result(message: Message, path: str) -> list[Message]:
    content = _result_content(message.get("content"), path)
    id_ = _legacy_id(message.get("name"))
    return [{**message, "role": "tool", "tool_call_id": id_, "content": content}]


def _legacy_id(name: Any) -> str:
    return "call_" + digest(f"function {name if isinstance(name, str) else None}", 24)


# --- the assistant --------------------------------------------------------------------------------


def _assistant(message: Message, path: str) -> list[Message]:
    result = dict(message)
    calls = _stated_calls(result, path)
    if "content" in result:
        result["content"] = _said(result, calls, path)
    if calls:
        result["tool_calls"] = calls
    return [result]


def _stated_calls(message: Message, path: str) -> list[dict[str, Any]]:
    """Takes `tool_calls` out of the message, or the deprecated `function_call`."""
    legacy = message.pop("function_call", None)
    calls = message.pop("tool_calls", None)
    if legacy and not calls:
        an_object(legacy, f"{path}.function_call")
        calls = [{"id": _legacy_id(legacy.get("name")), "type": "function", "function": legacy}]
    calls = [calls] if isinstance(calls, dict) and calls else calls or []
    if not isinstance(calls, list):
        raise wrong_type(f"{path}.tool_calls", "an array of tool calls")
    return [_call(call, f"{path}.tool_calls[{n}]") for n, call in enumerate(calls)]


def _said(message: Message, calls: list[dict[str, Any]], path: str) -> str | list[Part]:
    """The content without thoughts and calls; blocks of calls join `calls`."""
    content = _listed(message["content"])
    if not isinstance(content, list):
        return _content(content, path)
    said: list[Part] = []
    known = {call["id"] for call in calls}
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        part_path = f"{path}.content[{number}]"
        if kind == "tool_use":
            call = _block_call(part, part_path)
            calls += [] if call["id"] in known else [call]
        elif kind not in _THOUGHTS:
            said += decode_part(part, part_path)
    return said or ""


def _call(call: Any, path: str) -> dict[str, Any]:
    """A tool call as chat completions write it, or flat as the sister APIs do."""
    call = an_object(call, path)
    if "custom" in call:
        return _custom(call, call["custom"], path)
    if "input" in call and "function" not in call:
        return _block_call(call, path)
    function = call if "name" in call and "function" not in call else call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise missing(f"{path}.function.name")
    return _function(call, function["name"], function.get("arguments"), path)


def _function(call: Message, name: str, arguments: Any, path: str) -> dict[str, Any]:
    text = arguments_text(arguments or "")
    return _identified(call, path) | {
        "type": "function",
        "function": {"name": name, "arguments": text},
    }


def _custom(call: Message, custom: Any, path: str) -> dict[str, Any]:
    return _identified(call, path) | {
        "type": "custom",
        "custom": an_object(custom or {}, f"{path}.custom"),
    }


def _identified(call: Message, path: str) -> dict[str, Any]:
    """The id of a call, made of the call where it has none, and what has to come back with it."""
    id_ = call.get("call_id") or call.get("id")
    if not id_:
        id_ = "call_" + digest(path + exact_json.dumps(call).decode(), 24)
    result: dict[str, Any] = {"id": an_id(id_, f"{path}.id")}
    if call.get("extra_content"):
        result["extra_content"] = call["extra_content"]
    return result


def _block_call(part: Part, path: str) -> dict[str, Any]:
    """A `tool_use` block."""
    if not isinstance(part.get("name"), str):
        raise missing(f"{path}.name")
    return _function(part, part["name"], part.get("input"), path)


# --- items ----------------------------------------------------------------------------------------


def _item(item: Message, path: str) -> list[Message]:
    """An item of the Responses API that is not a message."""
    decode = _ITEMS.get(item["type"], _unknown_item)
    return decode(item, path)


def _call_item(item: Message, path: str) -> list[Message]:
    if not isinstance(item.get("name"), str):
        raise missing(f"{path}.name")
    return [_calling(_function(item, item["name"], item.get("arguments"), path))]


def _custom_item(item: Message, path: str) -> list[Message]:
    if not isinstance(item.get("name"), str):
        raise missing(f"{path}.name")
    custom = {"name": item["name"], "input": item.get("input") or ""}
    return [_calling(_custom(item, custom, path))]


def _calling(call: dict[str, Any]) -> Message:
    return {"role": "assistant", "tool_calls": [call]}


def _output_item(item: Message, path: str) -> list[Message]:
    if not item.get("call_id"):
        raise missing(f"{path}.call_id")
    content = _result_content(item.get("output"), path)
    id_ = an_id(item["call_id"], f"{path}.call_id")
    return [{"role": "tool", "tool_call_id": id_, "content": content}]


def _result_item(item: Message, path: str) -> list[Message]:
    return [_block_result(item, path)]


def _use_item(item: Message, path: str) -> list[Message]:
    return [_calling(_block_call(item, path))]


def _part_item(item: Message, path: str) -> list[Message]:
    """A part without a message around it: the user says it."""
    return [{"role": "user", "content": decode_part(item, path)}]


def _no_message(item: Message, path: str) -> list[Message]:
    """Reasoning of an earlier turn, which no other model can read."""
    return []


def _reference(item: Message, path: str) -> list[Message]:
    text = "An item's id means nothing here: send the item itself."
    raise invalid(text, f"{path}.id")


def _unknown_item(item: Message, path: str) -> list[Message]:
    """What a tool of the provider's did: kept as a part, so that a dialect can name its loss."""
    return [{"role": "assistant", "content": [dict(item)]}]


_ROLES: Final[Mapping[str, Callable[[Message, str], list[Message]]]] = {
    "system": _plain,
    "developer": _plain,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
    "function": _legacy_result,
}

_ITEMS: Final[Mapping[str, Callable[[Message, str], list[Message]]]] = {
    "function_call": _call_item,
    "custom_tool_call": _custom_item,
    "function_call_output": _output_item,
    "custom_tool_call_output": _output_item,
    "tool_use": _use_item,
    "tool_result": _result_item,
    "reasoning": _no_message,
    "compaction": _no_message,
    "item_reference": _reference,
    **dict.fromkeys(("text", "input_text", "input_image", "input_file", "image_url"), _part_item),
}
