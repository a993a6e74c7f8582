"""A provider's own count of a request's input tokens."""

from __future__ import annotations

import logging
from typing import Final

from gateway.credentials.secret import CredentialError
from gateway.dialects import DIALECTS, Encoded
from gateway.failures import Failed, Kind
from gateway.types import Attempt, Model
from gateway.upstream.sending import ERROR_BYTES_MAX, JSON, Services, read_failure, send
from gateway.upstream.transport import Response, TransportError
from gateway.upstream.whole import loads

log = logging.getLogger("gateway.upstream")

COUNT_S: Final = 8.0
"""Time for a count: the clients that ask for one wait ten seconds."""

_REFUSED: Final = frozenset(
    {Kind.INVALID_REQUEST, Kind.CONTEXT_TOO_LONG, Kind.TOO_LARGE, Kind.UNSUPPORTED}
)
"""Failures that concern the request; after any other one the count is estimated."""


async def count(services: Services, dialect: str, encoded: Encoded, model: Model) -> int | None:
    """The count; None where the provider gives none. No circuit counts it.

    Raises `Failed` for a request that the provider refuses.
    """
    try:
        response = await send(services, encoded, Attempt(model, 1), JSON, COUNT_S)
        if response.status == 200:
            return await _count_of(response)
        failure = services.show(await read_failure(services, DIALECTS[dialect], response), model)
    except (TransportError, CredentialError) as error:
        log.info("%s does not count: %s", model.name, error)
        return None
    if failure.kind in _REFUSED:
        raise Failed(failure)
    log.info("%s does not count: %s", model.name, failure.brief())
    return None


async def _count_of(response: Response) -> int | None:
    try:
        tokens = loads(await response.read(ERROR_BYTES_MAX, COUNT_S)).get("input_tokens")
    except Failed:
        return None
    finally:
        await response.aclose()
    return tokens if type(tokens) is int else None
