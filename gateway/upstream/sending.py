"""Signs and sends one encoded request, and reads the error of an answer with an error status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway.credentials.secret import CredentialExpired
from gateway.credentials.signing import Unsigned
from gateway.dialects import Encoded
from gateway.failures import UNREADABLE, Failed, Failure, Kind, classify
from gateway.hub import exact_json
from gateway.hub.framing import Framing
from gateway.shared.replay import Replay
from gateway.types import Attempt, Model
from gateway.upstream.headers import Headers, signed, unsigned
from gateway.upstream.learned import Learned
from gateway.upstream.transport import Request, Response, Transport, TransportError

JSON: Final = b"application/json"
ERROR_BYTES_MAX: Final = 1024 * 1024
ERROR_READ_S: Final = 3.0
"""Time for the body of an error answer: the status says enough to move on, and the client waits for
that."""


class DecodesErrors(Protocol):
    """The face of a provider, as far as errors go."""

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, now: float
    ) -> Failure: ...


class Signer(Protocol):
    """Knows each model's secret, and how the provider wants to see it."""

    def __call__(self, model: Model, request: Unsigned) -> Headers:
        """The headers that sign `request`, which goes to `model`. Raises `CredentialError`."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The dependencies of every try. `clock` is monotonic and `wall` Unix time, both in seconds."""

    transport: Callable[[Model], Transport]
    sign: Signer
    renew: Callable[[Model], Awaitable[None]] | None
    """Renews a sign-in whose time is over."""
    framings: Mapping[str, type[Framing]]
    """By the name that a provider's row uses."""
    replay: Replay
    learned: Learned
    user_agent: tuple[bytes, bytes]
    show: Callable[[Failure, Model], Failure]
    """A failure as a client may read it."""
    clock: Callable[[], float]
    wall: Callable[[], float]


def send(
    services: Services,
    encoded: Encoded,
    attempt: Attempt,
    accept: bytes,
    limit_s: float,
    traced: Headers = (),
) -> Awaitable[Response]:
    """The provider's answer, whatever its status. Calling or awaiting it raises `Failed`,
    `TransportError` and `CredentialError`."""
    try:
        request = _request(services, encoded, attempt.model, accept, traced)
    except CredentialExpired:
        if services.renew is None:
            raise
        return _renew_and_send(services, encoded, attempt, accept, limit_s, traced)
    if attempt.sent_at is None:
        attempt.sent_at = services.clock()
    return services.transport(attempt.model).send(request, limit_s)


async def _renew_and_send(
    services: Services,
    encoded: Encoded,
    attempt: Attempt,
    accept: bytes,
    limit_s: float,
    traced: Headers,
) -> Response:
    """The same for a sign-in whose time is over."""
    assert services.renew is not None
    await services.renew(attempt.model)
    request = _request(services, encoded, attempt.model, accept, traced)
    if attempt.sent_at is None:
        attempt.sent_at = services.clock()
    return await services.transport(attempt.model).send(request, limit_s)


def _request(
    services: Services, encoded: Encoded, model: Model, accept: bytes, traced: Headers
) -> Request:
    """The request with its signature, whose keys no error may show."""
    url, body = model.base_url + encoded.path, _json(encoded.body)
    common = (services.user_agent, _CONTENT, (b"accept", accept))
    own = tuple(encoded.headers.items()) if encoded.headers else ()
    unsigned_headers = unsigned(model, common, own) + traced
    signature = services.sign(model, Unsigned("POST", url, unsigned_headers, body))
    services.learned.note_keys(model, signature)
    headers = signed(model, common, own, signature)
    return Request("POST", url, headers, body, model.timeouts.connect_s, traced)


_CONTENT: Final = (b"content-type", JSON)


async def read_failure(services: Services, face: DecodesErrors, response: Response) -> Failure:
    """The failure of an answer with an error status. Closes it."""
    try:
        body = await response.read(ERROR_BYTES_MAX, ERROR_READ_S)
    except TransportError:
        body = b"its error broke off"
    finally:
        await response.aclose()
    try:
        return face.decode_error(response.status, response.headers, body, services.wall())
    except UNREADABLE:
        message = "its error has an unknown form"
        return Failure(classify(response.status, None, message), message, status=response.status)


def _json(body: Mapping[str, Any]) -> bytes:
    """The request's bytes. Raises `Failed` for a value that JSON cannot hold, or levels without
    end."""
    try:
        return exact_json.dumps(body)
    except (TypeError, ValueError) as error:
        why = error if isinstance(error, ValueError) else "a value is not one of JSON's"
        message = f"Invalid request: it cannot be written as JSON ({why})."
        raise Failed(Failure(Kind.INVALID_REQUEST, message, status=400)) from error
