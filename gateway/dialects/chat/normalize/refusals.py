"""The refusal of a request that is the client's own mistake."""

from __future__ import annotations

from typing import Any

from gateway.failures import Failed, Failure, Kind


def invalid(message: str, param: str | None, code: str | None = None) -> Failed:
    """An error of the client's own request: a 400 that names the field."""
    return Failed(Failure(Kind.INVALID_REQUEST, message, status=400, param=param, code=code))


def wrong_type(path: str, wanted: str) -> Failed:
    """A value of the wrong type; `wanted` is in words: `a string`."""
    return invalid(f"Invalid type for '{path}': expected {wanted}.", path, "invalid_type")


def missing(path: str) -> Failed:
    """A field that has to be there."""
    return invalid(f"Missing required parameter: '{path}'.", path)


def an_id(value: Any, path: str) -> str:
    """`value`, which has to name something; some clients count in numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise wrong_type(path, "a string")
    return str(value)


def an_object(value: Any, path: str) -> dict[str, Any]:
    """`value`, which has to be an object."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object")
    return value
