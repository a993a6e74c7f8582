"""Error answers: those of chat completions, and one that only this API has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialects.chat.errors import decode_error as decode_chat_error
from gateway.failures import Failure, Kind
from gateway.hub.contracts import REPLAYED

_UNREADABLE: Final = "invalid_encrypted_content"
"""Reasoning that another account, or another generation of models, encrypted."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Failure:
    """An error answer. Encrypted reasoning that the provider cannot read is named as `REPLAYED`."""
    failure = decode_chat_error(status, headers, body, now_s)
    if failure.code == _UNREADABLE or _UNREADABLE in failure.message:
        return failure.with_(kind=Kind.INVALID_REQUEST, param=REPLAYED)
    return failure
