"""The notes of a request for its answer, and the error for a wrong request."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gateway.failures import Failed, Failure, Kind

REQUIRED: Final = "Field required"


class Notes(NamedTuple):
    """Facts of a request that only this face needs, to write the answer."""

    thinking: bool = False
    """The client asked for thinking: the answer holds thinking blocks."""
    thinking_text: bool = True
    """The client reads the text of thinking; otherwise the blocks hold the signature alone."""


def invalid(path: str, what: str) -> Failed:
    """An error of the client's own request, in Anthropic's words: `messages.0.content: Field
    required`."""
    message = f"{path}: {what}"
    return Failed(Failure(Kind.INVALID_REQUEST, message, status=400, param=path))


def text_at(value: Any, path: str) -> str:
    """`value`, which must be text."""
    if value is None:
        raise invalid(path, REQUIRED)
    if not isinstance(value, str):
        raise invalid(path, "Input should be a valid string")
    return value


def object_at(value: Any, path: str) -> dict[str, Any]:
    """`value`, which must be an object."""
    if value is None:
        raise invalid(path, REQUIRED)
    if not isinstance(value, dict):
        raise invalid(path, "Input should be a valid dictionary")
    return value


def list_at(value: Any, path: str) -> list[Any]:
    """`value`, which must be a list."""
    if value is None:
        raise invalid(path, REQUIRED)
    if not isinstance(value, list):
        raise invalid(path, "Input should be a valid list")
    return value
