"""One attempt: the call in the provider's format goes out, the committed reply comes back.

The only place that raises provider trouble as `Failed`: an error answer, an error inside a 200, silence, a cut,
nonsense. Committed means that the first content is here; what fails afterwards fails inside the reply's chunks.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from gateway import ratelimits
from gateway.credentials.signing import BETA
from gateway.credentials.store import CredentialError, CredentialExpired
from gateway.dialects import DIALECTS, REPLAYED, Encoded, Upstream, choose
from gateway.dialects.chat import is_empty, says_something
from gateway.failures import UNREADABLE, Failed, Failure, Kind, classify
from gateway.hub import exact_json
from gateway.redact import HIDDEN
from gateway.shared.replay import Vault
from gateway.types import Attempt, Call, Chat, Chunk, Model, Reply
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

_REQUEST_ID: Final = ("request-id", "x-request-id", "mistral-correlation-id", "x-generation-id")


Headers = tuple[tuple[bytes, bytes], ...]


class Signer(Protocol):
    """Knows each model's secret, and how the provider wants to see it."""

    def __call__(self, model: Model) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that sign a request for `model`. Raises `CredentialError`."""
        ...


class EmptyAnswer(Failed):
    """A well-formed answer that says nothing; `reply` is kept in case no other model says more."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(Failure(Kind.EMPTY, "the provider answered with nothing", status=200))
        self.reply = reply


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
        self._keys: dict[bytes, str] = {}
        """Header values that signed a request → the key in them, which an error message may quote."""

    async def open(self, attempt: Attempt, call: Call) -> Reply:
        """The committed reply. Raises `Failed`, with `EmptyAnswer` for one that says nothing."""
        try:
            return await self._open(attempt, call)
        except Failed as failed:
            failed.failure = self._conceal(failed.failure)
            raise
        except TransportError as error:
            raise Failed(transport_failure(error)) from error
        except CredentialError as error:
            raise Failed(Failure(Kind.CREDENTIAL, str(error))) from error

    async def _open(self, attempt: Attempt, call: Call) -> Reply:
        model = attempt.model
        face = DIALECTS[choose(call.chat, model)]
        chat = self._vault.restore(call.client.name, call.chat)
        encoded = self._encode(face, chat, attempt, call)
        response = await self._send(encoded, attempt, call)
        if response.status != 200:
            failure = await self._failure(response, face, attempt)
            encoded = self._again(failure, encoded, face, chat, attempt, call)
            response = await self._send(encoded, attempt, call)
            if response.status != 200:
                raise Failed(await self._failure(response, face, attempt))
        attempt.upstream_request_id = _request_id(response.headers)
        if call.stream:
            return await self._open_stream(response, face, encoded, attempt, call)
        return await self._read_whole(response, face, encoded, attempt, call)

    # --- the request -------------------------------------------------------------------------------------------------

    def _encode(self, face: Upstream, chat: Chat, attempt: Attempt, call: Call, *lost: str) -> Encoded:
        """`chat` in the model's own format, without what it has refused before. Raises `Failed`."""
        model = attempt.model
        try:
            encoded = face.encode_request(chat, model)
        except UNREADABLE as error:
            message = f"the request holds something that cannot be translated ({type(error).__name__}: {error})"
            raise Failed(Failure(Kind.INVALID_REQUEST, message, status=400)) from error
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
            raise Failed(failure)
        if path not in LEVELS:
            log.warning("%s refuses the field %s and is sent none from now on", model.name, path)
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
            raise EmptyAnswer(reply)
        attempt.committed_at = self._clock()
        return reply

    async def _open_stream(
        self, response: Response, face: Upstream, encoded: Encoded, attempt: Attempt, call: Call
    ) -> Reply:
        """Reads up to the first content, within `first_token_s` of the request."""
        timeouts = attempt.model.timeouts
        record = Record(attempt, self._vault, call.client.name)
        stream = AnswerStream(response, face, encoded, timeouts, self._clock, record, self._conceal)
        try:
            first = await stream.begin(attempt.started_at + timeouts.first_token_s)
            empty = _says_nothing(first)
            if empty:
                await stream.settle()
        except BaseException:
            await response.aclose()
            raise
        reply = self._reply(attempt, response, stream.model)
        reply.chunks = stream
        if empty:
            await stream.aclose()
            raise EmptyAnswer(reply)
        attempt.committed_at = self._clock()
        return reply

    def _reply(self, attempt: Attempt, response: Response, model: str | None) -> Reply:
        empty_for_s = ratelimits.empty_for_s(response.headers, self._wall())
        return Reply(attempt, model or attempt.model.model_id, empty_for_s=empty_for_s)


def _json(body: Mapping[str, Any]) -> bytes:
    """The request's bytes. Raises `Failed` for a value that JSON cannot hold, or levels without end."""
    try:
        return exact_json.dumps(body)
    except (TypeError, ValueError) as error:
        message = f"the request holds something that cannot be sent ({error})"
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
