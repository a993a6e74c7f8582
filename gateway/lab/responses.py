"""OpenAI's Responses API, as a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.lab import chat
from gateway.lab.answers import Answer, Asked, schema_of
from gateway.lab.events import ErrorAnswer, Part

PATHS: Final = ("/responses",)
MODELS_PATH: Final = chat.MODELS_PATH
FINISH_IS_LAST: Final = True
"""`response.completed` holds the whole answer, and nothing follows it."""
models = chat.models


def asked(body: Mapping[str, Any], path: str) -> Asked | None:
    items = body.get("input")
    if not items:
        return None
    last = {"content": items} if isinstance(items, str) else items[-1]
    content = last.get("content") or ""
    parts = [{"text": content}] if isinstance(content, str) else content
    return Asked(
        model=body.get("model", ""),
        text=" ".join(part.get("text", "") for part in parts),
        stream=bool(body.get("stream")),
        tools={tool["name"]: tool.get("parameters") or {} for tool in body.get("tools") or ()},
        forced=body.get("tool_choice") == "required" or isinstance(body.get("tool_choice"), dict),
        answered=last.get("type") == "function_call_output",
        schema=schema_of((body.get("text") or {}).get("format") or {}),
        thinks=bool((body.get("reasoning") or {}).get("summary")),
        limit=body.get("max_output_tokens"),
    )


def _output(answer: Answer, id_: str) -> list[dict[str, Any]]:
    items = [_reasoning(answer, id_)] if answer.reasoning else []
    items += [_message(answer, id_)] if answer.pieces else []
    return items + [_call(f"{id_}{place}", *call) for place, call in enumerate(answer.calls)]


def _reasoning(answer: Answer, id_: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": "".join(answer.reasoning)}]
    return {"type": "reasoning", "id": f"rs_{id_}", "summary": summary, "encrypted_content": "bGFi"}


def _message(answer: Answer, id_: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
    item = {"type": "message", "id": f"msg_{id_}", "role": "assistant", "status": "completed"}
    return {**item, "content": content}


def _call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    item = {
        "type": "function_call",
        "id": f"fc_{id_}",
        "call_id": f"call_{id_}",
        "status": "completed",
    }
    return {**item, "name": name, "arguments": arguments}


_ENVELOPE: Final[Mapping[str, Any]] = {
    "object": "response",
    "created_at": 1_790_000_000,
    "background": False,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""The fields of a response besides its answer; fields that echo the request have their defaults."""


def whole(answer: Answer, model: str, id_: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        **_ENVELOPE,
        "id": f"resp_{id_}",
        "model": model,
        "status": "completed",
        "output": _output(answer, id_),
        "usage": {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": len(answer.reasoning)},
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    }
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    if answer.finish in reasons:
        reason = {"reason": reasons[answer.finish]}
        body |= {"status": "incomplete", "incomplete_details": reason}
    return body


def events(answer: Answer, model: str, id_: str) -> list[Part]:
    """The events in the order in which OpenAI sends them, numbered without gaps."""
    full = whole(answer, model, id_)
    begun = {
        **full,
        "status": "in_progress",
        "output": [],
        "usage": None,
        "incomplete_details": None,
    }
    parts = [
        _part("head", f"response.{kind}", response=begun) for kind in ("created", "in_progress")
    ]
    for place, item in enumerate(full["output"]):
        parts += _item(item, place, answer)
    parts.append(_part("finish", f"response.{full['status']}", response=full))
    return [_numbered(part, number) for number, part in enumerate(parts)]


def _numbered(part: Part, number: int) -> Part:
    return part._replace(data={**part.data, "sequence_number": number})


def late_names(parts: list[Part]) -> list[Part]:
    """Calls that begin without a name; their arguments and the finished item have it."""
    return [part._replace(data=_nameless(part.data)) for part in parts]


def _nameless(data: dict[str, Any]) -> dict[str, Any]:
    is_call = (
        data["type"] == "response.output_item.added" and data["item"]["type"] == "function_call"
    )
    return {**data, "item": {**data["item"], "name": ""}} if is_call else data


_EMPTY: Final[Mapping[str, Mapping[str, Any]]] = {
    "reasoning": {"summary": []},
    "message": {"content": [], "status": "in_progress"},
    "function_call": {"arguments": "", "status": "in_progress"},
}
"""The fields of an item that begins."""


def _item(item: dict[str, Any], place: int, answer: Answer) -> list[Part]:
    """From `output_item.added` to `output_item.done`."""
    where = {"output_index": place, "item_id": item["id"]}
    begun = {**item, **_EMPTY[item["type"]]}
    if item["type"] == "reasoning":
        where["summary_index"] = 0
        inner = _in_part("reasoning_summary", item["summary"][0], answer.reasoning, where)
    elif item["type"] == "message":
        where["content_index"] = 0
        inner = _in_part("content", item["content"][0], answer.pieces, where)
    else:
        inner = _arguments(item, where)
    return [
        _part("head", "response.output_item.added", output_index=place, item=begun),
        *inner,
        _part("head", "response.output_item.done", output_index=place, item=item),
    ]


def _in_part(
    kind: str, part: dict[str, Any], pieces: Sequence[str], where: dict[str, Any]
) -> list[Part]:
    """The text of a part, piece by piece. Text of an answer has log probabilities; reasoning has
    none."""
    more: dict[str, Any] = {"logprobs": []} if kind == "content" else {}
    text = "output_text" if kind == "content" else "reasoning_summary_text"
    said = [
        _part("content", f"response.{text}.delta", **where, delta=piece, **more) for piece in pieces
    ]
    return [
        _part("head", f"response.{kind}_part.added", **where, part={**part, "text": ""}),
        *said,
        _part("head", f"response.{text}.done", **where, text=part["text"], **more),
        _part("head", f"response.{kind}_part.done", **where, part=part),
    ]


def _arguments(item: dict[str, Any], where: dict[str, Any]) -> list[Part]:
    """The arguments of a call, in two halves."""
    whole_, kind = item["arguments"], "response.function_call_arguments"
    halves = (whole_[: len(whole_) // 2], whole_[len(whole_) // 2 :])
    said = [_part("content", f"{kind}.delta", **where, delta=half) for half in halves]
    return [*said, _part("head", f"{kind}.done", **where, name=item["name"], arguments=whole_)]


def _part(role: Any, type_: str, **fields: Any) -> Part:
    return Part(role, {"type": type_, **fields}, type_)


def ping() -> Part:
    return _part("head", "keepalive")


def error(kind: str) -> ErrorAnswer:
    return chat.error(kind)


def error_part(kind: str) -> Part:
    inner = chat.error(kind).body["error"]
    return _part(
        "error", "error", code=inner["code"] or "server_error", message=inner["message"], param=None
    )
