"""A whole answer: the bytes of a body → the hub's completion."""

from __future__ import annotations

import logging
from typing import Any, Final

from gateway import sse
from gateway.dialects import Encoded, Upstream
from gateway.failures import UNREADABLE, Failed, Failure, Kind, structure_fault
from gateway.hub import exact_json, halves
from gateway.hub.answer_types import checked
from gateway.types import Chat

log = logging.getLogger("gateway.upstream")

ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024
"""A whole answer larger than this is refused."""


def unreadable(error: Exception) -> Failed:
    """An answer of an unknown shape, as a failure of the attempt."""
    message = f"the provider's response could not be parsed: {structure_fault(error)}"
    return Failed(Failure(Kind.MALFORMED, message, detail=type(error).__name__))


def count_unasked(model: str | None, count: int) -> None:
    """Writes down how much of an answer has been dropped: choices with an index that the request
    did not ask for."""
    if count:
        log.warning("%s: %d pieces of choices that were not asked for are dropped", model, count)


def decode_whole(face: Upstream, value: dict[str, Any], encoded: Encoded) -> Chat:
    """A whole answer, parsed by `loads`, as the hub's completion. Raises `Failed`."""
    try:
        chat = face.decode_response(value, encoded)
        if "choices" not in chat:
            return chat  # vectors
        checked(chat)
        unasked = len(value.get("choices") or value.get("candidates") or ()) - len(chat["choices"])
    except UNREADABLE as error:
        raise unreadable(error) from error
    if unasked > 0:
        count_unasked(chat.get("model"), unasked)
    return chat


def listed(body: bytes) -> list[sse.Event]:
    """The items of a JSON array, as events: so one API streams where a proxy has lost the query
    that asks for events.

    [] for any other body, and for an array of one, which is a whole answer or an error.
    """
    try:
        found = halves.items(body) if body.lstrip().startswith(b"[") else []
    except ValueError:
        return []
    return [sse.Event(b"", item) for item in found] if len(found) > 1 else []


def loads(body: bytes) -> dict[str, Any]:
    """The JSON object of a whole answer. Raises `Failed` for another value."""
    try:
        text = body.removeprefix(sse.BOM).strip()
        value = exact_json.loads(text) if b"\\u" not in text else halves.loads(text)
    except ValueError as error:
        raise Failed(
            Failure(Kind.MALFORMED, f"the provider's answer is not JSON: {error}", status=200)
        ) from error
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise Failed(
            Failure(Kind.MALFORMED, "the provider's answer is not a JSON object", status=200)
        )
    return value
