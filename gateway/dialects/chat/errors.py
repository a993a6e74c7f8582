"""Errors of servers that speak chat completions, and our own errors to clients, which have OpenAI's
shape.

Shapes met upstream: `{"error": {...}}`, `{"error": "text"}`, `{"object": "error", ...}`,
`{"detail": ...}`, `{"message": ...}`, a list of one of these, HTML, nothing at all; the `code` may
be a number, which is then a status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.failures import BY_CODE, Failure, Kind, classify
from gateway.hub.contracts import REPLAYED
from gateway.hub.shapes import table
from gateway.text.ratelimits import retry_after_s, without_a_clock
from gateway.text.statements import mentions, states

CODES: Final[Mapping[str, Kind]] = {
    **BY_CODE,
    # the model wrote an invalid call: not the client's fault, nor trouble
    "tool_use_failed": Kind.BAD_OUTPUT,
    "json_validate_failed": Kind.BAD_OUTPUT,
    "slow_down": Kind.OVERLOADED,
    "overloaded_error": Kind.OVERLOADED,
    "engine_overloaded_error": Kind.OVERLOADED,
    "queue_exceeded": Kind.OVERLOADED,
    "unavailable_error": Kind.OVERLOADED,
    "provider_overloaded": Kind.OVERLOADED,
    "provider_unavailable": Kind.UNAVAILABLE,
    "service_tier_capacity_exceeded": Kind.OVERLOADED,
    "rate_limited": Kind.RATE_LIMIT,
    "rate_limit_error": Kind.RATE_LIMIT,
    "rate_limit_reached_error": Kind.RATE_LIMIT,
    "exceeded_current_quota_error": Kind.QUOTA,
    "invalid_model": Kind.MODEL_UNKNOWN,
    "deploymentnotfound": Kind.MODEL_UNKNOWN,
    "previous_response_not_found": Kind.REQUEST_DENIED,
    "image_not_found": Kind.REQUEST_DENIED,
    "image_download_failed": Kind.REQUEST_DENIED,
    "model_terms_required": Kind.MODEL_UNKNOWN,
    "model_permission_blocked_org": Kind.MODEL_UNKNOWN,  # this model, not the key
    "model_permission_blocked_project": Kind.MODEL_UNKNOWN,
    "exceed_context_size_error": Kind.CONTEXT_TOO_LONG,
    "token_limit_exceeded": Kind.CONTEXT_TOO_LONG,
    "string_too_long": Kind.CONTEXT_TOO_LONG,
    "request_too_large": Kind.TOO_LARGE,
    "payload_too_large": Kind.TOO_LARGE,
    "authentication": Kind.CREDENTIAL,
    "authentication_error": Kind.CREDENTIAL,
    "invalid_authentication_error": Kind.CREDENTIAL,
    "organization_restricted": Kind.CREDENTIAL,
    "unsupported_country_region_territory": Kind.CREDENTIAL,
    "payment_required": Kind.QUOTA,
    "refusal": Kind.POLICY,
    "unsupported_parameter": Kind.UNSUPPORTED,
    "unsupported_value": Kind.UNSUPPORTED,
    "server": Kind.UNAVAILABLE,
    "timeout": Kind.TIMEOUT,
}
REQUEST_ID_HEADERS: Final = (
    "x-request-id",
    "request-id",
    "mistral-correlation-id",
    "x-generation-id",
    "cf-ray",
)
_LACKING: Final = re.compile(
    r"(does not|doesn't|do not|don't) support|roles must alternate|not supported (with|by|on|for"
    r"|in) (this|the|that) "
    r"|cannot be (combined with|disabled)|requires --enable-auto-tool-choice"
    r"|unsupported_(parameter|value)",
    re.IGNORECASE,
)
"""What this model or server cannot do, and the next one of the chain perhaps can."""
_UNKNOWN_FIELD: Final = re.compile(
    r"argument not supported on this model: (\w+)|property '(\w+)' is unsupported"
    r"|unsupported parameter: '([\w.]+)'|unrecognized request argument supplied: (\w+)"
    r"|this model does not support '(\w+)' value|[`'](\w+)[`'] is not supported"
    r"|(reasoning) is mandatory",
    re.IGNORECASE,
)
_DENIALS: Final = frozenset({Kind.CREDENTIAL, Kind.QUOTA, Kind.REQUEST_DENIED})
_STATUS_CODE: Final = re.compile("[45][0-9][0-9]")
_STATUS_OF_TYPE: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "payment_required": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "permissions_error": 403,
    "not_found_error": 404,
    "not_found": 404,
    "NotFoundError": 404,
}
"""What an error inside a 200 would have had as its status, where only its type says so."""
_NOT_BY_A_PAGE: Final = frozenset({401, 405, 407, 408, 413, 424, 429})
"""Statuses below 500 that mean the same when a proxy or a content network answers with a page of
its own."""
_READ_CHARS_MAX: Final = 8_000
"""What an error's words are read from: patterns over a megabyte would hold up every call."""
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_REPLAYED: Final = re.compile(
    r"invalid `?signature`? in `?thinking`? block|bound to a different conversation"
    r"|invalid_encrypted_content"
    r"|corrupted thought[ _]signature|thought[ _]signature is not valid",
    re.IGNORECASE,
)
"""A router relays what the provider behind it says about reasoning of earlier turns
(`reasoning_details`)."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Failure:
    """An error answer of a server that speaks chat completions as a `Failure`."""
    failure = decode_any_error(status, headers, body, now_s)
    if status == 400 and not body.strip():
        # One server sends an empty body when a request is too long for it; no other is known to do
        # so.
        failure = failure.with_(kind=Kind.CONTEXT_TOO_LONG)
    return failure.with_(param=REPLAYED) if _REPLAYED.search(failure.message) else failure


def decode_any_error(status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Failure:
    """An error answer of any server, in any of the shapes, as a `Failure`."""
    value = loads(body)
    if isinstance(value, list) and value:
        value = value[0]
    words = _plain(body) if value is None and body.strip() != b"null" else ""
    failure = decode_error_value(words or value, status)
    if value is None and _is_page(status, headers, body):
        message = (
            f"a web page came instead of an answer of the provider's API: {words or 'no title'}"
        )
        failure = failure.with_(kind=Kind.NOT_THE_API, message=message)
    stated = retry_after_s({**_headers_inside(value), **headers}, now_s, failure.message, value)
    return failure.with_(
        request_id=next((headers[name] for name in REQUEST_ID_HEADERS if name in headers), None),
        retry_after_s=stated,
        retry_at_s=None,
    )


def decode_error_value(value: Any, status: int | None) -> Failure:
    """The parsed error object, from an error answer or from inside a 200; `status` None where there
    was none."""
    error, outer = _error_object(value)
    code, stated = _code(error.get("code", outer.get("code")))
    metadata = table(error, "metadata")
    bare = (_message(error, outer) or _shown(error and value))[:_READ_CHARS_MAX]
    message = _with_raw(bare, metadata)[:_READ_CHARS_MAX]
    if isinstance(metadata.get("error_type"), str):
        code = metadata["error_type"]
    type_ = error.get("type") if isinstance(error.get("type"), str) else None
    assumed = _STATUS_OF_TYPE.get(type_ or "") or _STATUS_OF_TYPE.get(code or "") or 500
    actual = status or error.get("status_code") or stated or assumed
    kind = classify(int(actual), code, message, CODES, type_=type_)
    if kind in (Kind.CREDENTIAL, Kind.QUOTA):
        # What a router's provider says about a key is not about ours.
        kind = classify(int(actual), code, bare, CODES, type_=type_)
    if kind in _DENIALS and ("reasons" in metadata or "flagged_input" in metadata):
        kind = Kind.POLICY  # a moderation refusal comes as 403
    if kind in (Kind.INVALID_REQUEST, Kind.MODEL_UNKNOWN, Kind.REQUEST_DENIED):
        kind = _read(kind, message, code, metadata)
    param = error.get("param")
    after_s, at_s = without_a_clock(message, value)
    return Failure(
        kind,
        message or _nothing_said(status),
        status=int(actual) if status or stated else status,
        type=type_,
        code=code,
        param=param if isinstance(param, str) and param else _field_in(message, value),
        retry_after_s=after_s,
        retry_at_s=at_s,
    )


def _read(kind: Kind, message: str, code: str | None, metadata: Mapping[str, Any]) -> Kind:
    """What a 400 or 404 says in words, where its status covers several kinds."""
    if kind is not Kind.INVALID_REQUEST:
        return Kind.UNSUPPORTED if "no endpoints found that" in message.lower() else kind
    if states("model", message):
        return Kind.MODEL_UNKNOWN
    if _LACKING.search(f"{code or ''} {message}"):
        return Kind.UNSUPPORTED
    if metadata.get("raw"):
        # A router hands on its provider's trouble under a status of its own.
        said, type_ = _of_raw(metadata["raw"])
        if states("load", said) or CODES.get(type_) in (Kind.OVERLOADED, Kind.RATE_LIMIT):
            return Kind.OVERLOADED
    may_be_echo = mentions("model", message) or (metadata.get("raw") and mentions("load", message))
    return Kind.REQUEST_DENIED if may_be_echo else kind


def _of_raw(raw: Any) -> tuple[str, str]:
    """(the words, the type) of the error of a router's provider."""
    value = loads(raw.encode()) if isinstance(raw, str) else raw
    error, outer = _error_object(raw if value is None else value)
    return _message(error, outer), str(error.get("type") or "")


def _headers_inside(value: Any) -> dict[str, str]:
    """Rate-limit headers that a router puts into the body: `error.metadata.headers`."""
    inner = table(table(table(value, "error"), "metadata"), "headers")
    return {str(name).lower(): str(text) for name, text in inner.items()}


def _shown(value: Any) -> str:
    """An object without a message, as it is."""
    return orjson.dumps(value, default=str).decode()[:300] if value else ""


def _nothing_said(status: int | None) -> str:
    return f"HTTP {status} without a message" if status else "an error without a message"


def is_error(body: Mapping[str, Any]) -> bool:
    """Whether an object that came with status 200 is an error: several servers put one where an
    answer should be."""
    if body.get("error") or body.get("object") == "error":
        return True
    return "choices" not in body and bool(
        body.get("detail") or isinstance(body.get("message"), str)
    )


def _error_object(value: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """(the error itself, what it lay in)."""
    if isinstance(value, str):
        return {"message": value}, {}
    if not isinstance(value, Mapping):
        return {}, {}
    error = value.get("error")
    if isinstance(error, Mapping):
        return error, value
    if isinstance(error, str):
        return {"message": error}, value
    return value, value


def _message(error: Mapping[str, Any], outer: Mapping[str, Any]) -> str:
    for found in (
        error.get("message"),
        error.get("detail"),
        outer.get("message"),
        outer.get("detail"),
    ):
        if isinstance(found, str) and found.strip():
            return found
        if found and not isinstance(found, str):
            return orjson.dumps(found).decode()
    return ""


def _with_raw(message: str, metadata: Mapping[str, Any]) -> str:
    """A router's "Provider returned error" says nothing; what its provider said does."""
    raw = metadata.get("raw")
    if not raw:
        return message
    return f"{message}: {raw if isinstance(raw, str) else orjson.dumps(raw).decode()}"


def _code(code: Any) -> tuple[str | None, int | None]:
    """(a word, a status): servers put either into `code`."""
    if isinstance(code, int) and not isinstance(code, bool):
        return str(code), code if 400 <= code <= 599 else None
    if isinstance(code, str) and _STATUS_CODE.fullmatch(code):
        return code, int(code)
    return (code, None) if isinstance(code, str) and code else (None, None)


def _field_in(message: str, value: Any) -> str | None:
    """The request field an error is about, where only prose or a validator's path says it."""
    match = _UNKNOWN_FIELD.search(message)
    if match:
        field = next(group for group in match.groups() if group)
        return _CAMEL.sub("_", field).lower()
    detail = _detail(value)
    if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
        path = [str(step) for step in detail[0].get("loc") or () if step != "body"]
        return ".".join(path) or None
    return None


def _detail(value: Any) -> Any:
    """A validator's findings, which are at the top or inside `message`."""
    if not isinstance(value, Mapping):
        return None
    return value.get("detail") or _detail(value.get("message"))


def loads(body: bytes) -> Any:
    """A body as JSON, or None."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _is_page(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a content network or a proxy answered in the provider's place, with a page for
    people."""
    if "cf-mitigated" in headers:
        return True
    return body.lstrip()[:1] == b"<" and status < 500 and status not in _NOT_BY_A_PAGE


def _plain(body: bytes) -> str:
    """Words of a body that is not JSON: the title of an HTML page, or the text itself."""
    text = body[:_READ_CHARS_MAX].decode("utf-8", "replace").strip()
    if not text.startswith("<"):
        return text[:300]
    start = text.lower().find("<title")
    title = text[start:].partition(">")[2].partition("<")[0] if start >= 0 else ""
    return title.strip()[:300]


def encode_error(
    message: str, type_: str, *, param: str | None = None, code: str | None = None, **more: Any
) -> dict[str, Any]:
    """OpenAI's error object, all four keys always: SDKs read them unguarded."""
    return {"error": {"message": message, "type": type_, "param": param, "code": code, **more}}
