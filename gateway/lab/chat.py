"""Chat completions, as a server: OpenAI's own, and those of the vendors that speak it with an
accent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.lab.answers import Answer, Asked, schema_of
from gateway.lab.events import ErrorAnswer, Part

PATHS: Final = ("/chat/completions",)
MODELS_PATH: Final = "/models"

_ERRORS: Final[Mapping[str, tuple[int, str, str | None, str]]] = {
    "rate_limit": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached. Please try again in 7s.",
    ),
    "rate_limit_bare": (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
    "rate_limit_long": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached. Please try again in 34.07s.",
    ),
    "overloaded": (
        503,
        "server_error",
        None,
        "The engine is currently overloaded, please try again later.",
    ),
    "server_error": (
        500,
        "server_error",
        None,
        "The server had an error while processing your request.",
    ),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "bad_key": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "no_such_model": (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `no-such-model` does not exist.",
    ),
    "context_too_long": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        (
            "This model's maximum context length is 8192 tokens. However, your messages "
            "resulted in "
            "9000 tokens."
        ),
    ),
    "own_file": (404, "invalid_request_error", None, "No such File object: file-abc"),
    "cannot_afford": (
        402,
        "invalid_request_error",
        "402",
        "This request requires more credits, or fewer max_tokens. You requested up to 65536 "
        "tokens, but can only "
        "afford 30104.",
    ),
    "schema_refused": (
        400,
        "invalid_request_error",
        "invalid_function_parameters",
        (
            "Invalid schema for function 'look_up': schema must be a JSON Schema of 'type: "
            '"object"\'.'
        ),
    ),
    "bad_request": (400, "invalid_request_error", "invalid_value", "[] is too short - 'messages'"),
}


def asked(body: Mapping[str, Any], path: str) -> Asked | None:
    messages = body.get("messages")
    if not messages:
        return None
    last = messages[-1]
    content = last.get("content") or ""
    parts = [{"text": content}] if isinstance(content, str) else content
    functions = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
    choice = body.get("tool_choice")
    return Asked(
        model=body.get("model", ""),
        text=" ".join(part.get("text", "") for part in parts),
        stream=bool(body.get("stream")),
        tools={function["name"]: function.get("parameters") or {} for function in functions},
        forced=choice == "required" or isinstance(choice, dict),
        answered=last["role"] == "tool",
        schema=schema_of(body.get("response_format") or {}),
        thinks=body.get("reasoning_effort", "none") != "none" or "reasoning" in body,
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
    )


def usage(answer: Answer) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
    if answer.reasoning:
        counts["completion_tokens_details"] = {"reasoning_tokens": len(answer.reasoning)}
    return counts


def _calls(answer: Answer, id_: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{id_}{place}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for place, (name, arguments) in enumerate(answer.calls)
    ]


def whole(answer: Answer, model: str, id_: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.reasoning:
        message["reasoning"] = "".join(answer.reasoning)
    if answer.calls:
        message["tool_calls"] = _calls(answer, id_)
    choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
    envelope = {
        "id": f"chatcmpl-{id_}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model,
    }
    return {**envelope, "choices": [choice], "usage": usage(answer)}


def events(answer: Answer, model: str, id_: str) -> list[Part]:
    envelope = {
        "id": f"chatcmpl-{id_}",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": model,
    }

    def chunk(role: Any, delta: dict[str, Any], finish: str | None = None) -> Part:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return Part(role, {**envelope, "choices": [choice]})

    parts = [chunk("head", {"role": "assistant", "content": ""})]
    parts += [chunk("content", {"reasoning": piece}) for piece in answer.reasoning]
    parts += [chunk("content", {"content": piece}) for piece in answer.pieces]
    for place, call in enumerate(_calls(answer, id_)):
        arguments = call["function"]["arguments"]
        start = {
            **call,
            "index": place,
            "function": {"name": call["function"]["name"], "arguments": ""},
        }
        parts.append(chunk("head", {"tool_calls": [start]}))
        for half in (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
            parts.append(
                chunk(
                    "content", {"tool_calls": [{"index": place, "function": {"arguments": half}}]}
                )
            )
    parts.append(chunk("finish", {}, answer.finish))
    return [
        *parts,
        Part("usage", {**envelope, "choices": [], "usage": usage(answer)}),
        Part("done", "[DONE]"),
    ]


def late_names(parts: list[Part]) -> list[Part]:
    """Calls that begin without a name, each in another form: an empty name, then the name; no name,
    then the name; the name between the halves of the arguments."""
    edited: list[Part] = []
    late: list[tuple[int, Part]] = []
    """(behind which part, the event with the name)."""
    for part in parts:
        call = _begun(part)
        if call is not None:
            place, name = call["index"], call["function"]["name"]
            first = {} if place % 3 == 1 else {"name": ""}
            edited.append(_with_call(part, {**call, "function": {**first, "arguments": ""}}))
            late.append(
                (
                    len(edited) + (place % 3 == 2),
                    _with_call(part, {"index": place, "function": {"name": name}}),
                )
            )
        else:
            edited.append(part)
    for place, part in reversed(late):
        edited.insert(place, part)
    return edited


def _begun(part: Part) -> dict[str, Any] | None:
    """The call that begins in an event."""
    if part.role != "head":
        return None
    calls = part.data["choices"][0]["delta"].get("tool_calls")
    return calls[0] if calls else None


def _with_call(part: Part, call: dict[str, Any]) -> Part:
    [choice] = part.data["choices"]
    return part._replace(
        data={**part.data, "choices": [{**choice, "delta": {"tool_calls": [call]}}]}
    )


def ping() -> Part:
    return Part(
        "head",
        {"id": "ping", "object": "chat.completion.chunk", "created": 0, "model": "", "choices": []},
    )


def error(kind: str) -> ErrorAnswer:
    status, type_, code, message = _ERRORS[kind]
    headers = {"x-request-id": "req_lab"}
    if kind == "rate_limit":
        headers |= {
            "retry-after": "7",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "7s",
        }
    return ErrorAnswer(
        status, headers, {"error": {"message": message, "type": type_, "param": None, "code": code}}
    )


def error_part(kind: str) -> Part:
    return Part("error", error(kind).body)


def models(ids: list[str]) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [{"id": id_, "object": "model", "created": 0, "owned_by": "lab"} for id_ in ids],
    }
