"""Anthropic's Messages API, as a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from gateway.lab.answers import Answer, Asked
from gateway.lab.events import ErrorAnswer, Part

PATHS: Final = ("/v1/messages",)
MODELS_PATH: Final = "/v1/models"
COUNT_PATH: Final = "/v1/messages/count_tokens"
_SIGNATURE: Final = "bGFi"

_STOP: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ERRORS: Final[Mapping[str, tuple[int, str, str]]] = {
    "rate_limit": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "rate_limit_bare": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "rate_limit_long": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "server_error": (500, "api_error", "Internal server error"),
    "quota": (402, "billing_error", "Your credit balance is too low to access the Anthropic API."),
    "bad_key": (401, "authentication_error", "invalid x-api-key"),
    "no_such_model": (404, "not_found_error", "model: no-such-model"),
    "context_too_long": (
        400,
        "invalid_request_error",
        "prompt is too long: 214290 tokens > 200000 maximum",
    ),
    "own_file": (
        403,
        "permission_error",
        "You do not have permission to access the requested file.",
    ),
    "cannot_afford": (
        402,
        "billing_error",
        "You requested up to 65536 tokens, but can only afford 30104.",
    ),
    "schema_refused": (
        400,
        "invalid_request_error",
        (
            "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft "
            "2020-12."
        ),
    ),
    "bad_request": (400, "invalid_request_error", "messages: at least one message is required"),
}


def asked(body: Mapping[str, Any], path: str) -> Asked | None:
    """The request; None for one the API would refuse."""
    messages = body.get("messages")
    if not messages or not isinstance(body.get("max_tokens"), int):
        return None
    last = messages[-1]["content"]
    blocks = [{"type": "text", "text": last}] if isinstance(last, str) else last
    return Asked(
        model=body.get("model", ""),
        text=" ".join(block.get("text", "") for block in blocks),
        stream=bool(body.get("stream")),
        tools={tool["name"]: tool.get("input_schema") or {} for tool in body.get("tools") or ()},
        forced=(body.get("tool_choice") or {}).get("type") in ("any", "tool"),
        answered=any(block.get("type") == "tool_result" for block in blocks),
        schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        limit=body.get("max_tokens"),
    )


def whole(answer: Answer, model: str, id_: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if answer.reasoning:
        content.append(
            {"type": "thinking", "thinking": "".join(answer.reasoning), "signature": _SIGNATURE}
        )
    if answer.pieces:
        content.append({"type": "text", "text": answer.text})
    content += [
        {
            "type": "tool_use",
            "id": f"toolu_{id_}{place}",
            "name": name,
            "input": orjson.loads(arguments),
        }
        for place, (name, arguments) in enumerate(answer.calls)
    ]
    return {
        "id": f"msg_{id_}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": _STOP[answer.finish],
        "stop_sequence": None,
        "usage": _usage(answer, answer.output_tokens),
    }


def _usage(answer: Answer, output_tokens: int) -> dict[str, Any]:
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": answer.input_tokens, **cached, "output_tokens": output_tokens}


def count(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a question for the tokens of a request: one for every four characters of its
    JSON."""
    return {"input_tokens": len(orjson.dumps(body)) // 4}


def events(answer: Answer, model: str, id_: str) -> list[Part]:
    message = {**whole(answer.without_content(), model, id_), "stop_reason": None}
    message["usage"] = _usage(answer, 1)
    parts = [_part("head", {"type": "message_start", "message": message})]
    blocks = [*_thinking(answer), *_text(answer), *_calls(answer, id_)]
    for index, (block, deltas) in enumerate(blocks):
        parts += _block(index, block, deltas)
    change = {"stop_reason": _STOP[answer.finish], "stop_sequence": None}
    usage = _usage(answer, answer.output_tokens)
    finish = {"type": "message_delta", "delta": change, "usage": usage}
    return [*parts, _part("finish", finish), _part("done", {"type": "message_stop"})]


_Block = tuple[dict[str, Any], list[dict[str, Any]]]
"""(a block as it begins, its deltas)."""


def _thinking(answer: Answer) -> Iterable[_Block]:
    """The signature is the last delta of the block."""
    if answer.reasoning:
        said = [{"type": "thinking_delta", "thinking": piece} for piece in answer.reasoning]
        signed = {"type": "signature_delta", "signature": _SIGNATURE}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*said, signed]


def _text(answer: Answer) -> Iterable[_Block]:
    if answer.pieces:
        yield (
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": piece} for piece in answer.pieces],
        )


def _calls(answer: Answer, id_: str) -> Iterable[_Block]:
    for place, (name, arguments) in enumerate(answer.calls):
        block = {"type": "tool_use", "id": f"toolu_{id_}{place}", "name": name, "input": {}}
        halves = (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :])
        yield block, [{"type": "input_json_delta", "partial_json": half} for half in halves]


def _block(index: int, block: dict[str, Any], deltas: list[dict[str, Any]]) -> list[Part]:
    start = _part("head", {"type": "content_block_start", "index": index, "content_block": block})
    body = [
        _part("content", {"type": "content_block_delta", "index": index, "delta": delta})
        for delta in deltas
    ]
    return [start, *body, _part("head", {"type": "content_block_stop", "index": index})]


def _part(role: Any, data: dict[str, Any]) -> Part:
    return Part(role, data, data["type"])


def ping() -> Part:
    return _part("head", {"type": "ping"})


def error(kind: str) -> ErrorAnswer:
    status, type_, message = _ERRORS[kind]
    headers = {"request-id": "req_lab"}
    if kind == "rate_limit":
        headers |= {"retry-after": "7", "anthropic-ratelimit-requests-remaining": "0"}
    if kind == "rate_limit_long":
        headers["retry-after"] = "35"
    return ErrorAnswer(
        status,
        headers,
        {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_lab"},
    )


def error_part(kind: str) -> Part:
    return Part("error", error(kind).body, "error")


def models(ids: list[str]) -> dict[str, Any]:
    return {
        "data": [{"type": "model", "id": id_, "display_name": id_} for id_ in ids],
        "has_more": False,
    }
