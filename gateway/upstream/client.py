"""The provider's side of a call: one attempt at one model, whatever goes wrong raised as `Failed`.

Committed means that the first content is here; what fails afterwards fails inside the reply's
chunks.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.credentials.secret import CredentialError
from gateway.dialects import FRAMINGS, Encoded, choose, other_api
from gateway.failures import Failed, Failure, Kind
from gateway.hub.framing import Framing
from gateway.operations import embed
from gateway.redact import redact
from gateway.shared.replay import Replay
from gateway.text import ratelimits
from gateway.types import Attempt, Call, Chat, Model, Reply
from gateway.upstream import counts
from gateway.upstream.addresses import without_addresses
from gateway.upstream.attempt import Try
from gateway.upstream.learned import Learned
from gateway.upstream.parts import in_parts
from gateway.upstream.sending import Services, Signer
from gateway.upstream.stream import transport_failure
from gateway.upstream.transport import Transport, TransportError

log = logging.getLogger("gateway.upstream")

_ODD: Final = frozenset({Kind.NOT_THE_API, Kind.REQUEST_DENIED, Kind.CANNOT_AFFORD})
"""Failures after which nothing cools down, so that no circuit reports them."""
_NAMES_AN_API: Final = re.compile(r"v1/(responses|chat/completions)|responses api", re.IGNORECASE)


class UpstreamClient:
    """Opens attempts, and keeps what outlives them. `clock` is monotonic and `wall` Unix time, both
    in seconds.

    `fetch` brings what other processes keep of a client's chat into `replay`; it is asked once per
    call.
    """

    def __init__(
        self,
        transport: Callable[[Model], Transport],
        sign: Signer,
        replay: Replay,
        *,
        fetch: Callable[[str, Chat], Awaitable[None]] | None = None,
        clock: Callable[[], float],
        wall: Callable[[], float],
        user_agent: str,
        renew: Callable[[Model], Awaitable[None]] | None = None,
        framings: Mapping[str, type[Framing]] = FRAMINGS,
    ) -> None:
        self._replay = replay
        self._fetch = fetch
        self._wall = wall
        self._learned = Learned()
        agent = (b"user-agent", user_agent.encode())
        self._services = Services(
            transport, sign, renew, framings, replay, self._learned, agent, self._shown, clock, wall
        )

    async def open(self, attempt: Attempt, call: Call) -> Reply:
        """The committed reply. Raises `Failed`, also for an answer that says nothing."""
        try:
            if call.operation == embed.NAME:
                return await self._embed(attempt, call)
            if self._fetch is not None and attempt.number == 1:
                await self._fetch(call.client.name, call.chat)
            chat = self._replay.restore(call.client.name, call.request.chat)
            dialect, other = self._apis(attempt.model, call)
            try:
                return await Try(self._services, dialect, chat, attempt, call).open()
            except Failed as failed:
                if other is None or not _is_about_the_api(failed.failure):
                    raise
                return await self._open_elsewhere(other, chat, attempt, call, failed)
        except Failed as failed:
            failed.failure = self._shown(failed.failure, attempt.model)
            raise
        except (TransportError, CredentialError) as error:
            raise Failed(self._shown(_trouble(error), attempt.model)) from error

    async def count(self, dialect: str, encoded: Encoded, model: Model) -> int | None:
        """As `counts.count`."""
        return await counts.count(self._services, dialect, encoded, model)

    def _apis(self, model: Model, call: Call) -> tuple[str, str | None]:
        """(the dialect that the model is asked in, the provider's other one)."""
        dialect = choose(call.request.chat, model, call.dialect)
        other = other_api(dialect, model)
        if other is not None and self._learned.api(model) == other:
            return other, dialect
        return dialect, other

    async def _embed(self, attempt: Attempt, call: Call) -> Reply:
        """The vectors of all parts of the request; see `operations/embed.py`."""
        dialect = attempt.model.provider.dialect
        parts = embed.parts(call.chat, attempt.model)
        return await in_parts(
            parts, attempt, lambda part: Try(self._services, dialect, part, attempt, call).open()
        )

    async def _open_elsewhere(
        self, other: str, chat: Chat, attempt: Attempt, call: Call, failed: Failed
    ) -> Reply:
        """Asks the provider's other API, and remembers it if that is where the model is. Raises
        `failed` if not."""
        model = attempt.model
        try:
            reply = await Try(self._services, other, chat, attempt, call).open()
        except Failed as again:
            if _says_no_more(again.failure, failed.failure):
                raise failed from again
            raise
        log.info("%s is served by the %s API only, which is used from now on", model.name, other)
        self._learned.found_on(model, other)
        return reply

    def _shown(self, failure: Failure, model: Model) -> Failure:
        """`failure` as a client may read it, with the time to wait; the log gets what the client
        does not."""
        if failure.retry_after_s is None:
            failure = failure.with_(retry_after_s=self._wait_s(failure), retry_at_s=None)
        concealed = self._learned.conceal(failure)
        if failure.detail is not None:
            log.info("%s: %s", model.name, failure.for_log)
        elif failure.kind in _ODD:
            log.warning("%s: %s: %s", model.name, failure.brief(), redact(concealed.message)[:300])
        return without_addresses(concealed, model.base_url, model.proxy)

    def _wait_s(self, failure: Failure) -> float | None:
        """Seconds until the date that an error inside an answer states."""
        if failure.retry_at_s is not None:
            return max(0.0, failure.retry_at_s - self._wall())
        return ratelimits.retry_after_s({}, self._wall(), failure.message)


def _trouble(error: TransportError | CredentialError) -> Failure:
    if isinstance(error, TransportError):
        return transport_failure(error)
    message = "no usable key: `gateway doctor`"
    return Failure(Kind.CREDENTIAL, message, detail=str(error))


def _says_no_more(other: Failure, first: Failure) -> bool:
    """Whether the failure at the provider's other API says no more than the first one, which did
    not name that API: it does not serve the model either, or refuses a request that was a guess."""
    if other.kind is Kind.UNSUPPORTED:
        return True
    return not _names_the_api(first) and (_is_about_the_api(other) or other.status == 400)


def _is_about_the_api(failure: Failure) -> bool:
    """Whether a model may be served by the provider's other API: this one does not know it, or
    names the other."""
    if failure.status in (404, 405, 410):
        return failure.kind in (Kind.MODEL_UNKNOWN, Kind.NOT_THE_API)
    return failure.status == 400 and _names_the_api(failure)


def _names_the_api(failure: Failure) -> bool:
    return _NAMES_AN_API.search(failure.message[:2000]) is not None
