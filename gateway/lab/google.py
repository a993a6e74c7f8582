"""Google's Gemini API, as a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.lab.answers import Answer, Asked
from gateway.lab.events import ErrorAnswer, Part

PATHS: Final = (":generateContent", ":streamGenerateContent")
MODELS_PATH: Final = "/v1beta/models"

_FINISH: Final = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
}
_ERRORS: Final[Mapping[str, tuple[int, str, str]]] = {  # a limit of a minute speaks of billing too
    "rate_limit": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current rate. Please retry in 7s.",
    ),
    "rate_limit_bare": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted."),
    "rate_limit_long": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "server_error": (500, "INTERNAL", "An internal error has occurred."),
    "quota": (429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending limit."),
    "bad_key": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "no_such_model": (
        404,
        "NOT_FOUND",
        "models/no-such-model is not found for API version v1beta.",
    ),
    "context_too_long": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "own_file": (
        403,
        "PERMISSION_DENIED",
        "You do not have permission to access the File abc123 or it may not exist.",
    ),
    "cannot_afford": (
        402,
        "FAILED_PRECONDITION",
        "You requested up to 65536 tokens, but can only afford 30104.",
    ),
    "schema_refused": (
        400,
        "INVALID_ARGUMENT",
        "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties: "
        "should be non-empty for "
        "OBJECT type",
    ),
    "bad_request": (400, "INVALID_ARGUMENT", "contents is not specified"),
}


def asked(body: Mapping[str, Any], path: str) -> Asked | None:
    contents = body.get("contents")
    if not contents or not contents[-1].get("parts"):
        return None
    parts = contents[-1]["parts"]
    config = body.get("generationConfig") or {}
    declared = [
        item for tool in body.get("tools") or () for item in tool.get("functionDeclarations") or ()
    ]
    mode = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    return Asked(
        model=path.rpartition("/models/")[2].partition(":")[0],
        text=" ".join(part.get("text", "") for part in parts),
        stream=":streamGenerateContent" in path,
        tools={item["name"]: item.get("parametersJsonSchema") or {} for item in declared},
        forced=mode == "ANY",
        answered=any("functionResponse" in part for part in parts),
        schema=config.get("responseJsonSchema", {})
        if config.get("responseMimeType") == "application/json"
        else None,
        thinks=bool((config.get("thinkingConfig") or {}).get("includeThoughts")),
        limit=config.get("maxOutputTokens"),
    )


def _usage(answer: Answer) -> dict[str, int]:
    thoughts = len(answer.reasoning)
    output = answer.output_tokens - thoughts
    usage = {
        "promptTokenCount": answer.input_tokens,
        "candidatesTokenCount": output,
        "totalTokenCount": answer.input_tokens + output + thoughts,
    }
    return usage | ({"thoughtsTokenCount": thoughts} if thoughts else {})


def _call(name: str, arguments: str, place: int) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": name, "args": orjson.loads(arguments)}}
    return part | ({"thoughtSignature": "bGFi"} if place == 0 else {})


def _response(
    parts: list[dict[str, Any]], model: str, id_: str, finish: str | None = None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": model, "responseId": id_}


def whole(answer: Answer, model: str, id_: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if answer.reasoning:
        parts.append({"text": "".join(answer.reasoning), "thought": True})
    if answer.pieces:
        parts.append({"text": answer.text})
    parts += [_call(name, arguments, place) for place, (name, arguments) in enumerate(answer.calls)]
    return {**_response(parts, model, id_, _FINISH[answer.finish]), "usageMetadata": _usage(answer)}


def events(answer: Answer, model: str, id_: str) -> list[Part]:
    pieces: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in answer.reasoning]
    pieces += [{"text": piece} for piece in answer.pieces]
    pieces += [
        _call(name, arguments, place) for place, (name, arguments) in enumerate(answer.calls)
    ]
    content = [Part("content", _response([piece], model, id_)) for piece in pieces]
    last = {
        **_response([{"text": ""}], model, id_, _FINISH[answer.finish]),
        "usageMetadata": _usage(answer),
    }
    return [*content, Part("finish", last)]


def ping() -> Part:
    return Part("head", {"candidates": [], "modelVersion": "ping"})


def error(kind: str) -> ErrorAnswer:
    status, name, message = _ERRORS[kind]
    body: dict[str, Any] = {"code": status, "message": message, "status": name}
    prefix = "type.googleapis.com/google.rpc."
    if kind == "rate_limit_long":
        body["details"] = [{"@type": prefix + "RetryInfo", "retryDelay": "34.07s"}]
    if kind == "rate_limit":
        body["details"] = [{"@type": prefix + "RetryInfo", "retryDelay": "7s"}]
    if kind == "bad_key":
        body["details"] = [{"@type": prefix + "ErrorInfo", "reason": "API_KEY_INVALID"}]
    return ErrorAnswer(status, {}, {"error": body})


def error_part(kind: str) -> Part:
    return Part("error", error(kind).body)


def models(ids: list[str]) -> dict[str, Any]:
    return {
        "models": [
            {"name": f"models/{id_}", "supportedGenerationMethods": ["generateContent"]}
            for id_ in ids
        ]
    }
