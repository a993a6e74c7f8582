"""OpenAI's Responses API, as a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.lab import chat
from gateway.lab.answers import Answer, Asked, schema_of
from gateway.lab.events import ErrorAnswer, Part

PATHS: Final = ("/responses",)
MODELS_PATH: Final = chat.MODELS_PATH
FINISH_IS_LAST: Final = True
"""`response.completed` holds the whole answer, and nothing follows it."""
key_of = chat.key_of
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
    output: list[dict[str, Any]] = []
    if answer.reasoning:
        summary = [{"type": "summary_text", "text": "".join(answer.reasoning)}]
        output.append({"type": "reasoning", "id": f"rs_{id_}", "summary": summary, "encrypted_content": "bGFi"})
    if answer.pieces:
        content = [{"type": "output_text", "text": answer.text, "annotations": []}]
        output.append({"type": "message", "id": f"msg_{id_}", "role": "assistant", "content": content})
    return output + [
        {
            "type": "function_call",
            "id": f"fc_{id_}{place}",
            "call_id": f"call_{id_}{place}",
            "name": name,
            "arguments": arguments,
        }
        for place, (name, arguments) in enumerate(answer.calls)
    ]


def whole(answer: Answer, model: str, id_: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": f"resp_{id_}",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": model,
        "status": "completed",
        "output": _output(answer, id_),
        "error": None,
        "usage": {
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": len(answer.reasoning)},
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    }
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    if answer.finish in reasons:
        body |= {"status": "incomplete", "incomplete_details": {"reason": reasons[answer.finish]}}
    return body


def events(answer: Answer, model: str, id_: str) -> list[Part]:
    full = whole(answer, model, id_)
    parts = [_part("head", "response.created", response={**full, "status": "in_progress", "output": [], "usage": None})]
    for place, item in enumerate(full["output"]):
        empty = {**item, "content": [], "arguments": "", "summary": []}
        parts.append(_part("head", "response.output_item.added", output_index=place, item=empty))
        parts += _deltas(item, place, answer)
        parts.append(_part("head", "response.output_item.done", output_index=place, item=item))
    return [*parts, _part("finish", f"response.{full['status']}", response=full)]


def late_names(parts: list[Part]) -> list[Part]:
    """Calls that begin without a name; only the finished item has it."""
    return [part._replace(data=_nameless(part.data)) for part in parts]


def _nameless(data: dict[str, Any]) -> dict[str, Any]:
    is_call = data["type"] == "response.output_item.added" and data["item"]["type"] == "function_call"
    return {**data, "item": {**data["item"], "name": ""}} if is_call else data


def _deltas(item: Mapping[str, Any], place: int, answer: Answer) -> list[Part]:
    if item["type"] == "reasoning":
        kind, pieces = "response.reasoning_summary_text.delta", list(answer.reasoning)
    elif item["type"] == "message":
        kind, pieces = "response.output_text.delta", list(answer.pieces)
    else:
        half = len(item["arguments"]) // 2
        kind, pieces = "response.function_call_arguments.delta", [item["arguments"][:half], item["arguments"][half:]]
    return [_part("content", kind, output_index=place, item_id=item["id"], delta=piece) for piece in pieces]


def _part(role: Any, type_: str, **fields: Any) -> Part:
    return Part(role, {"type": type_, **fields}, type_)


def ping() -> Part:
    return _part("head", "response.in_progress", response={})


def error(kind: str) -> ErrorAnswer:
    return chat.error(kind)


def error_part(kind: str) -> Part:
    inner = chat.error(kind).body["error"]
    return _part("error", "error", code=inner["code"] or "server_error", message=inner["message"], param=None)
