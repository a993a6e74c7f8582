"""One attempt: the call in the provider's format goes out, the committed reply comes back.

The only place that raises provider trouble as `Failed`: an error answer, an error inside a 200, silence, a cut,
nonsense. Committed means that the first content is here; what fails afterwards fails inside the reply's chunks.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final, Protocol

from gateway.credentials.signing import BETA
from gateway.credentials.store import CredentialError, CredentialExpired
from gateway.dialects import DIALECTS, REPLAYED, Encoded, Upstream, choose, other_api
from gateway.dialects.chat import is_empty, says_something
from gateway.failures import UNREADABLE, Failed, Failure, Kind, classify, structure_fault
from gateway.hub import exact_json
from gateway.redact import HIDDEN, scrub
from gateway.shared.replay import Vault
from gateway.text import ratelimits
from gateway.types import Attempt, Call, Chat, Chunk, Model, Reply
from gateway.upstream.addresses import without_addresses
from gateway.upstream.blame import judged
from gateway.upstream.stream import ANSWER_BYTES_MAX, AnswerStream, decode_whole, transport_failure
from gateway.upstream.tap import Record
from gateway.upstream.transport import Request, Response, Transport, TransportError
from gateway.upstream.without_field import LEVELS, refused_path, refuses_replay, without, without_replay

log = logging.getLogger("gateway.upstream")

ERROR_BYTES_MAX: Final = 1024 * 1024
KEYS_MAX: Final = 256
"""Signatures that are remembered, so that errors can be searched for the keys in them; renewed sign-ins add up."""
KEY_CHARS_MIN: Final = 6
"""What is shorter is no secret, and may be a word."""
ERROR_READ_S: Final = 3.0
"""Time for the body of an error answer: the status says enough to move on, and the client waits for that."""

_ODD: Final = frozenset({Kind.NOT_THE_API, Kind.REQUEST_DENIED, Kind.CANNOT_AFFORD})
"""Failures after which nothing cools down, so that no circuit reports them."""
_NAMES_AN_API: Final = re.compile(r"v1/(responses|chat/completions)|responses api", re.IGNORECASE)

_REQUEST_ID: Final = ("request-id", "x-request-id", "mistral-correlation-id", "x-generation-id")


Headers = tuple[tuple[bytes, bytes], ...]


class Signer(Protocol):
    """Knows each model's secret, and how the provider wants to see it."""

    def __call__(self, model: Model) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that sign a request for `model`. Raises `CredentialError`."""
        ...


def _empty() -> Failed:
    """A well-formed answer that says nothing."""
    return Failed(Failure(Kind.EMPTY, "the provider's answer has no content", status=200))


class UpstreamClient:
    """Makes attempts. `clock` is monotonic and `wall` Unix time, both in seconds."""

    def __init__(
        self,
        transport: Callable[[Model], Transport],
        sign: Signer,
        vault: Vault,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        user_agent: str,
        renew: Callable[[Model], Awaitable[None]] | None = None,
    ) -> None:
        self._renew = renew
        self._transport = transport
        self._sign = sign
        self._vault = vault
        self._clock = clock
        self._wall = wall
        self._agent = (b"user-agent", user_agent.encode())
        self._refused: dict[tuple[str, ...], set[str]] = {}
        """Optional fields (`top_k`, `reasoning.summary`) that a model has refused, learnt from its own errors."""
        self._apis: dict[tuple[str, ...], str] = {}
        """The API of two on which a model was found, where the rules sent it to the other."""
        self._keys: dict[bytes, str] = {}
        """Header values that signed a request → the key in them, which an error message may quote."""

    async def open(self, attempt: Attempt, call: Call) -> Reply:
        """The committed reply. Raises `Failed`, also for an answer that says nothing."""
        try:
            return await self._open(attempt, call)
        except Failed as failed:
            failed.failure = self._shown(failed.failure, attempt.model)
            raise
        except TransportError as error:
            raise Failed(self._shown(transport_failure(error), attempt.model)) from error
        except CredentialError as error:
            message = "the gateway has no usable credential for this model"
            failure = Failure(Kind.CREDENTIAL, message, detail=str(error))
            raise Failed(self._shown(failure, attempt.model)) from error

    async def _open(self, attempt: Attempt, call: Call) -> Reply:
        chat = self._vault.restore(call.client.name, call.chat)
        dialect = choose(call.chat, attempt.model)
        other = other_api(dialect, attempt.model)
        if other is not None and self._apis.get(attempt.model.key) == other:
            dialect, other = other, dialect
        try:
            return await self._ask(dialect, chat, attempt, call)
        except Failed as failed:
            if other is None or not _is_about_the_api(failed.failure):
                raise
            return await self._ask_elsewhere(other, chat, attempt, call, failed)

    async def _ask_elsewhere(self, other: str, chat: Chat, attempt: Attempt, call: Call, failed: Failed) -> Reply:
        """Asks the provider's other API, and remembers it if that is where the model is. Raises `failed` if not."""
        model = attempt.model
        try:
            reply = await self._ask(other, chat, attempt, call)
        except Failed as again:
            if _is_about_the_api(again.failure) or again.failure.kind is Kind.UNSUPPORTED:
                raise failed from again
            raise
        log.info("%s is served by the %s API only, which is used from now on", model.name, other)
        self._apis[model.key] = other
        return reply

    async def _ask(self, dialect: str, chat: Chat, attempt: Attempt, call: Call) -> Reply:
        """The committed reply of one API, asked once more without what it refuses by name."""
        face = DIALECTS[dialect]
        encoded = self._encode(face, chat, attempt, call)
        response = await self._send(encoded, attempt, call)
        if response.status != 200:
            failure = await self._failure(response, face, attempt)
            encoded = self._again(failure, encoded, face, chat, attempt, call)
            response = await self._send(encoded, attempt, call)
            if response.status != 200:
                raise Failed(self._judged(await self._failure(response, face, attempt), encoded, face, attempt, call))
        attempt.upstream_request_id = _request_id(response.headers)
        read = self._open_stream if call.stream else self._read_whole
        try:
            return await read(response, face, encoded, attempt, call)
        except Failed as failed:
            failed.failure = self._judged(failed.failure, encoded, face, attempt, call)
            raise

    def _judged(self, failure: Failure, encoded: Encoded, face: Upstream, attempt: Attempt, call: Call) -> Failure:
        """`failure` with the blame where it belongs."""
        own = face is DIALECTS["chat"]
        found = judged(failure, encoded, call.chat, attempt.model, is_own_format=own)
        if found.kind is Kind.TRANSLATION_REFUSED:
            log.error(
                "%s refuses what the gateway's translation made of a request (%s)", attempt.model.name, found.param
            )
        return found

    # --- the request -------------------------------------------------------------------------------------------------

    def _encode(self, face: Upstream, chat: Chat, attempt: Attempt, call: Call, *lost: str) -> Encoded:
        """`chat` in the model's own format, without what it has refused before. Raises `Failed`."""
        model = attempt.model
        try:
            encoded = face.encode_request(chat, model)
        except UNREADABLE as error:
            message = f"Invalid request: {structure_fault(error)}."
            detail = type(error).__name__  # its words may hold what the client wrote
            raise Failed(Failure(Kind.INVALID_REQUEST, message, status=400, detail=detail)) from error
        encoded = without(encoded._replace(dropped=encoded.dropped + lost), self._refused.get(model.key, ()))
        if call.agent.unsupported == "reject" and encoded.dropped:
            fields = ", ".join(encoded.dropped)
            raise Failed(Failure(Kind.UNSUPPORTED, f"{model.name} cannot take: {fields}", param=encoded.dropped[0]))
        attempt.dropped = encoded.dropped
        return encoded

    def _again(
        self, failure: Failure, encoded: Encoded, face: Upstream, chat: Chat, attempt: Attempt, call: Call
    ) -> Encoded:
        """The same request without what the provider objected to. Raises `Failed` where nothing can be left out."""
        model = attempt.model
        if refuses_replay(failure, chat):
            log.info("%s refuses its own reasoning of earlier turns, and is asked again without", model.name)
            return self._encode(face, without_replay(chat), attempt, call, REPLAYED)
        path = refused_path(failure, encoded, model.options)
        if path is None or call.agent.unsupported == "reject":
            raise Failed(self._judged(failure, encoded, face, attempt, call))
        if path not in LEVELS:
            log.warning("%s does not accept the field %s; it is omitted from now on", model.name, path)
            self._refused.setdefault(model.key, set()).add(path)
        encoded = without(encoded, (path,))
        attempt.dropped = encoded.dropped
        return encoded

    async def _send(self, encoded: Encoded, attempt: Attempt, call: Call) -> Response:
        model = attempt.model
        signed = await self._signed(model)
        for name, value in signed:
            if value not in self._keys and name != BETA:
                self._keys[value] = value.decode().rpartition(" ")[2]
                if len(self._keys) > KEYS_MAX:
                    del self._keys[next(iter(self._keys))]
        headers = [
            self._agent,
            (b"content-type", b"application/json"),
            (b"accept", b"text/event-stream" if call.stream else b"application/json"),
            *_headers(model, encoded, signed),
        ]
        if call.trace is not None:
            headers += call.trace.headers(attempt.number)
        timeouts = model.timeouts
        request = Request("POST", model.base_url + encoded.path, headers, _json(encoded.body), timeouts.connect_s)
        if attempt.sent_at is None:
            attempt.sent_at = self._clock()
        limit_s = timeouts.first_token_s if call.stream else timeouts.answer_s
        return await self._transport(model).send(request, limit_s)

    async def _signed(self, model: Model) -> Headers:
        """The signature. A sign-in whose time is over is renewed first."""
        try:
            return self._sign(model)
        except CredentialExpired:
            if self._renew is None:
                raise
        await self._renew(model)
        return self._sign(model)

    def _shown(self, failure: Failure, model: Model) -> Failure:
        """`failure` as a client may read it, with the time to wait; the log gets what the client does not."""
        if failure.retry_after_s is None:
            failure = failure.with_(retry_after_s=self._wait_s(failure), retry_at_s=None)
        if failure.detail is not None:
            log.info("%s: %s", model.name, failure.for_log)
        elif failure.kind in _ODD:
            log.warning("%s: %s: %s", model.name, failure.brief(), scrub(self._conceal(failure).message)[:300])
        return without_addresses(self._conceal(failure), model.base_url, model.proxy)

    def _wait_s(self, failure: Failure) -> float | None:
        """Seconds until the date that an error inside an answer states."""
        if failure.retry_at_s is not None:
            return max(0.0, failure.retry_at_s - self._wall())
        return ratelimits.retry_after_s({}, self._wall(), failure.message)

    def _conceal(self, failure: Failure) -> Failure:
        """`failure` without any key of ours: providers quote what they refuse."""
        message = failure.message
        for key in self._keys.values():
            if len(key) >= KEY_CHARS_MIN:
                message = message.replace(key, HIDDEN)
        return failure if message == failure.message else failure.with_(message=message)

    # --- the answer --------------------------------------------------------------------------------------------------

    async def _failure(self, response: Response, face: Upstream, attempt: Attempt) -> Failure:
        try:
            body = await response.read(ERROR_BYTES_MAX, ERROR_READ_S)
        except TransportError:
            body = b"its error broke off"
        finally:
            await response.aclose()
        try:
            failure = face.decode_error(response.status, response.headers, body, self._wall())
        except UNREADABLE:
            message = "its error has an unknown form"
            failure = Failure(classify(response.status, None, message), message, status=response.status)
        attempt.upstream_request_id = failure.request_id
        return failure

    async def _read_whole(
        self, response: Response, face: Upstream, encoded: Encoded, attempt: Attempt, call: Call
    ) -> Reply:
        left_s = attempt.model.timeouts.answer_s - (self._clock() - attempt.started_at)
        try:
            body = await response.read(ANSWER_BYTES_MAX, max(left_s, 0.001))
        finally:
            await response.aclose()
        chat = decode_whole(face, body, encoded)
        reply = self._reply(attempt, response, chat.get("model"))
        reply.chat = chat
        Record(attempt, self._vault, call.client.name).see_whole(chat)
        if is_empty(chat):
            raise _empty()
        attempt.committed_at = self._clock()
        return reply

    async def _open_stream(
        self, response: Response, face: Upstream, encoded: Encoded, attempt: Attempt, call: Call
    ) -> Reply:
        """Reads up to the first content, within `first_token_s` of the request."""
        timeouts = attempt.model.timeouts
        record = Record(attempt, self._vault, call.client.name)
        shown = partial(self._shown, model=attempt.model)
        stream = AnswerStream(response, face, encoded, timeouts, self._clock, record, shown)
        try:
            first = await stream.begin(attempt.started_at + timeouts.first_token_s)
            if _says_nothing(first):
                record.see(stream.taken())
                raise _empty()
        except BaseException:
            await stream.aclose()
            raise
        reply = self._reply(attempt, response, stream.model)
        reply.chunks = stream
        attempt.committed_at = self._clock()
        return reply

    def _reply(self, attempt: Attempt, response: Response, model: str | None) -> Reply:
        empty_for_s = ratelimits.empty_for_s(response.headers, self._wall())
        attempt.response_model = model
        return Reply(attempt, model or attempt.model.model_id, empty_for_s=empty_for_s)


def _is_about_the_api(failure: Failure) -> bool:
    """Whether a model may be served by the provider's other API: this one does not know it, or names the other."""
    if failure.status in (404, 405, 410):
        return failure.kind in (Kind.MODEL_UNKNOWN, Kind.NOT_THE_API)
    return failure.status == 400 and _NAMES_AN_API.search(failure.message[:2000]) is not None


def _json(body: Mapping[str, Any]) -> bytes:
    """The request's bytes. Raises `Failed` for a value that JSON cannot hold, or levels without end."""
    try:
        return exact_json.dumps(body)
    except (TypeError, ValueError) as error:
        message = f"Invalid request: it cannot be written as JSON ({error})."
        raise Failed(Failure(Kind.INVALID_REQUEST, message, status=400)) from error


def _headers(model: Model, encoded: Encoded, signed: Headers) -> Iterable[tuple[bytes, bytes]]:
    """The provider's, the dialect's, the signature's and the user's headers; a list such as the betas is joined."""
    if not (model.provider.headers or encoded.headers or model.headers):
        return signed
    merged: dict[bytes, bytes] = {}
    for name, value in (
        *_encoded(model.provider.headers),
        *_encoded(encoded.headers),
        *signed,
        *_encoded(model.headers),
    ):
        merged[name] = merged[name] + b"," + value if name == BETA and name in merged else value
    return merged.items()


def _encoded(headers: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    return (_pair(name, value) for name, value in headers.items())


@lru_cache(maxsize=4096)
def _pair(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode(), value.encode()


def _request_id(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _REQUEST_ID if name in headers), None)


def _says_nothing(chunks: list[Chunk]) -> bool:
    """Whether an answer consists of a plain stop."""
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    reasons = {choice["finish_reason"] for choice in choices} - {None}
    return reasons == {"stop"} and not any(says_something(choice["delta"]) for choice in choices)
