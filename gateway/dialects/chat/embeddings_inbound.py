"""The inbound face of `POST /v1/embeddings`. Implements `hub.contracts.Inbound`.

Absent `encoding_format` is `float`: some clients take base64 for a vector of one string. The
official SDKs ask for base64 without being asked to. Errors are those of chat completions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.chat.inbound import ID_HEADERS, KEEP_ALIVE, NAME, StreamEncoder, encode_error
from gateway.dialects.chat.normalize.refusals import invalid, missing, wrong_type
from gateway.hub.contracts import Answer
from gateway.hub.embeddings import INPUTS_MAX, Vector, as_base64, as_floats
from gateway.types import Chat, Request

__all__ = [
    "ID_HEADERS",
    "KEEP_ALIVE",
    "NAME",
    "StreamEncoder",
    "decode_request",
    "encode_error",
    "encode_response",
]

_FORMATS: Final[Mapping[str, Callable[[Vector], Any]]] = {"float": as_floats, "base64": as_base64}
_NO_COUNTS: Final[Mapping[str, int]] = {"prompt_tokens": 0, "total_tokens": 0}
_NOT_OF_THE_HUB: Final = frozenset({"encoding_format", "stream", "stream_options"})
_DIGITS: Final = re.compile(r"\s*\d{1,9}\s*", re.ASCII)
_WANTED: Final = "a non-empty string, or a list of non-empty strings or of lists of token ids"


def decode_request(body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    """Raises `Failed` naming the field that is wrong. The notes are the `encoding_format`."""
    stated = {key: value for key, value in body.items() if value is not None}
    fields = {key: value for key, value in stated.items() if key not in _NOT_OF_THE_HUB}
    for name in ("model", "input"):
        if name not in fields:
            raise missing(name)
    if not isinstance(fields["model"], str) or not fields["model"]:
        raise wrong_type("model", "a non-empty string")
    if body.get("stream"):
        raise invalid("Embeddings are not streamed.", "stream", "unsupported_parameter")
    fields["input"] = _inputs(fields["input"])
    if fields.get("dimensions") == "":
        del fields["dimensions"]
    elif "dimensions" in fields:
        fields["dimensions"] = _dimensions(fields["dimensions"])
    return Request(fields, body, notes=_format(body.get("encoding_format")))


def _inputs(value: Any) -> list[Any]:
    """The inputs as a list of strings or of lists of token ids."""
    if _is_text(value) or _is_token_ids(value):
        return [value]
    if not isinstance(value, list) or not value:
        raise wrong_type("input", _WANTED)
    if len(value) > INPUTS_MAX:
        message = f"'input' has {len(value)} items; a request may have {INPUTS_MAX}."
        raise invalid(message, "input", "array_above_max_length")
    is_input = _is_text if isinstance(value[0], str) else _is_token_ids
    wrong = next((place for place, item in enumerate(value) if not is_input(item)), None)
    if wrong is not None:
        raise wrong_type(f"input.{wrong}", _WANTED)
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_token_ids(value: Any) -> bool:
    return isinstance(value, list) and set(map(type, value)) == {int} and min(value) >= 0


def _dimensions(value: Any) -> int:
    """A positive integer, which clients also write as text."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value < 1 or value != int(value):
        raise wrong_type("dimensions", "a positive integer")
    return int(value)


def _format(value: Any) -> str:
    if value in (None, ""):
        return "float"
    if not isinstance(value, str) or value not in _FORMATS:
        message = "Invalid value for 'encoding_format': expected 'float' or 'base64'."
        raise invalid(message, "encoding_format", "invalid_value")
    return value


def encode_response(chat: Chat, answer: Answer) -> Chat:
    """The answer with every vector in the form that the client asked for.

    Counts that the provider does not state are 0.
    """
    form = _FORMATS[answer.request.notes]
    data = [{**entry, "embedding": form(entry["embedding"])} for entry in chat["data"]]
    usage = chat.get("usage", dict(_NO_COUNTS))
    return {**chat, "data": data, "model": answer.model, "usage": usage}
