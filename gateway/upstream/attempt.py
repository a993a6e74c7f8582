"""One try of one model: encode, sign, send, read up to the commit, hand the stream over.

Everything that belongs to a single try travels in one `Try`; what lives longer is in `Services`.
Trouble is raised as `Failed`, `TransportError` or `CredentialError`; the client makes one kind of
them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Final

from gateway.dialects import REPLAYED, Encoded, Unsupported
from gateway.dialects.chat import says_something
from gateway.dialects.chat.errors import REQUEST_ID_HEADERS
from gateway.failures import UNREADABLE, Failed, Failure, Kind, structure_fault
from gateway.hub.contracts import Native
from gateway.hub.halves import has_halves
from gateway.operations import OPERATIONS, Operation
from gateway.text import ratelimits
from gateway.types import Attempt, Call, Chat, Chunk, Reply
from gateway.upstream.blame import judged
from gateway.upstream.sending import JSON, Services, read_failure, send
from gateway.upstream.stream import AnswerStream
from gateway.upstream.tap import Record
from gateway.upstream.transport import Response
from gateway.upstream.whole import ANSWER_BYTES_MAX, decode_whole, loads
from gateway.upstream.without_field import (
    LEVELS,
    refused_path,
    refuses_replay,
    without,
    without_replay,
)

log = logging.getLogger("gateway.upstream")

_OWN_API: Final = "only a provider of the client's own API can serve this"


class Try:
    """One attempt on one API of a provider. `chat` is the call's chat with what its client
    dropped."""

    def __init__(
        self, services: Services, dialect: str, chat: Chat, attempt: Attempt, call: Call
    ) -> None:
        self._services = services
        self._operation = OPERATIONS[call.operation]
        self._face = self._operation.FACES[dialect]
        self._native = _native(self._operation, dialect, call)
        self._dialect = dialect
        self._chat = chat
        self._attempt = attempt
        self._model = attempt.model
        self._framing = services.framings[attempt.model.provider.framing]
        self._call = call
        self._left_out: str | None = None
        """The field without which the request is repeated."""

    async def open(self) -> Reply:
        """The committed reply. A provider that refuses a field by name is asked once more without
        it."""
        encoded = self._encode(self._chat)
        response = await self._send(encoded)
        if response.status != 200:
            first = await self._failure(response)
            encoded = self._again(first, encoded)
            response = await self._send(encoded)
            failure = await self._failure(response) if response.status != 200 else None
            if failure is None or failure.param != first.param:
                self._learn()
            if failure is not None:
                raise Failed(self._judged(failure, encoded))
        self._attempt.upstream_request_id = _request_id(response.headers)
        read = self._open_stream if self._call.stream else self._read_whole
        try:
            return await read(response, encoded)
        except Failed as failed:
            failed.failure = self._judged(failed.failure, encoded)
            raise

    # --- the request ------------------------------------------------------------------------------

    def _encode(self, chat: Chat, *lost: str) -> Encoded:
        """The request in the model's own format, without what it has refused before. Raises
        `Failed`."""
        request = self._call.request
        try:
            if self._native is not None:
                encoded = self._native.encode(request, self._model)
            else:
                if request.native_only:
                    raise Unsupported(request.native_only, _OWN_API)
                encoded = self._face.encode_request(chat, self._model)
                lost = (*request.dropped, *lost)
        except UNREADABLE as error:
            message = f"Invalid request: {structure_fault(error)}."
            detail = type(error).__name__  # its words may hold what the client wrote
            raise Failed(
                Failure(Kind.INVALID_REQUEST, message, status=400, detail=detail)
            ) from error
        if lost:
            encoded = encoded._replace(dropped=encoded.dropped + lost)
        refused = self._services.learned.refused(self._model)
        return self._noted(without(encoded, refused) if refused else encoded)

    def _noted(self, encoded: Encoded) -> Encoded:
        """`encoded`, with its losses written down. Raises `Failed` where the agent accepts none."""
        dropped = encoded.dropped
        if dropped and self._call.agent.unsupported == "reject":
            message = f"{self._model.name} cannot take: {', '.join(dropped)}"
            raise Failed(Failure(Kind.UNSUPPORTED, message, param=dropped[0]))
        self._attempt.dropped, self._attempt.native = dropped, encoded.native
        return encoded

    def _again(self, failure: Failure, encoded: Encoded) -> Encoded:
        """The same request without what the provider objected to. Raises `Failed` where nothing can
        be left out."""
        changed = self._without_replay(failure, encoded)
        if changed is None:
            changed = self._without_field(failure, encoded)
        if changed is None:
            raise Failed(self._judged(failure, encoded))
        return self._noted(changed)

    def _without_replay(self, failure: Failure, encoded: Encoded) -> Encoded | None:
        """The request without reasoning of earlier turns, where that is what is refused."""
        if self._native is not None:
            return self._native.again(failure, encoded)
        if not refuses_replay(failure, self._chat):
            return None
        log.info(
            "%s refuses its own reasoning of earlier turns, and is asked again without",
            self._model.name,
        )
        return self._encode(without_replay(self._chat), REPLAYED)

    def _without_field(self, failure: Failure, encoded: Encoded) -> Encoded | None:
        """The request without the one field that is refused by name."""
        path = refused_path(failure, encoded, self._model.options)
        if (
            path is None
            or not self._operation.may_omit(path)
            or self._call.agent.unsupported == "reject"
        ):
            return None
        self._left_out = None if path in LEVELS else path
        return without(encoded, (path,))

    def _learn(self) -> None:
        """The model is not sent the refused field from now on.

        Not where the repeated request met the same objection: then the field was named in what the
        provider quotes of one client's request.
        """
        if self._left_out is not None:
            log.warning(
                "%s does not accept the field %s; it is omitted from now on",
                self._model.name,
                self._left_out,
            )
            self._services.learned.refuse(self._model, self._left_out)

    def _send(self, encoded: Encoded) -> Awaitable[Response]:
        timeouts, call = self._model.timeouts, self._call
        traced = call.trace.headers(self._attempt.number) if call.trace is not None else ()
        if call.stream:
            accept, limit_s = self._framing.ACCEPT, timeouts.first_token_s
        else:
            accept, limit_s = JSON, timeouts.answer_s
        return send(self._services, encoded, self._attempt, accept, limit_s, traced)

    # --- failures ---------------------------------------------------------------------------------

    async def _failure(self, response: Response) -> Failure:
        failure = await read_failure(self._services, self._face, response)
        self._attempt.upstream_request_id = failure.request_id
        return failure

    def _judged(self, failure: Failure, encoded: Encoded) -> Failure:
        """`failure` with the blame where it belongs: the client's request, or what the gateway made
        of it."""
        own = encoded.native or (self._dialect == self._call.dialect == "chat")
        asked = dict(self._call.request.body) if encoded.native else self._call.chat
        found = judged(failure, encoded, asked, self._model, is_own_format=own)
        if found.kind is Kind.TRANSLATION_REFUSED:
            log.error(
                "%s refuses what the gateway's translation made of a request (%s)",
                self._model.name,
                found.param,
            )
        return found

    # --- the answer -------------------------------------------------------------------------------

    async def _read_whole(self, response: Response, encoded: Encoded) -> Reply:
        attempt, services = self._attempt, self._services
        left_s = self._model.timeouts.answer_s - (services.clock() - attempt.started_at)
        try:
            body = await response.read(ANSWER_BYTES_MAX, max(left_s, 0.001))
        finally:
            await response.aclose()
        value = loads(body)
        chat = decode_whole(self._face, value, encoded)
        reply = self._reply(response, chat.get("model"))
        reply.chat = chat
        if encoded.native and self._native is not None:
            reply.body = self._native.complete(value)
            reply.raw = b"" if reply.body is not value or has_halves(body) else body
        Record(attempt, services.replay, self._call.client.name).see_whole(chat)
        if self._operation.is_empty(chat):
            raise _empty()
        attempt.committed_at = services.clock()
        return reply

    async def _open_stream(self, response: Response, encoded: Encoded) -> Reply:
        """Reads up to the first content, within `first_token_s` of the request."""
        services, timeouts = self._services, self._model.timeouts
        record = Record(self._attempt, services.replay, self._call.client.name)
        events = self._framing()
        stream = AnswerStream(
            response, self._face, encoded, timeouts, services.clock, record, self._shown, events
        )
        try:
            first = await stream.begin(self._attempt.started_at + timeouts.first_token_s)
            if _says_nothing(first):
                record.see(stream.taken())
                raise _empty()
        except BaseException:
            await stream.aclose()
            raise
        reply = self._reply(response, stream.model)
        reply.chunks = stream
        self._attempt.committed_at = services.clock()
        return reply

    def _shown(self, failure: Failure) -> Failure:
        return self._services.show(failure, self._model)

    def _reply(self, response: Response, model: str | None) -> Reply:
        empty_for_s = ratelimits.empty_for_s(response.headers, self._services.wall())
        self._attempt.response_model = model
        return Reply(self._attempt, model or self._model.model_id, empty_for_s=empty_for_s)


def _native(operation: Operation, dialect: str, call: Call) -> Native | None:
    """The native lane, where the provider speaks the client's API and the call may take it.

    A request that binds what follows to one account may not, where the chain has several.
    """
    native = operation.NATIVE.get(dialect) if dialect == call.dialect else None
    if native is None or not call.request.binds:
        return native
    accounts = {model.credential_key for model in call.agent.models}
    return None if len(accounts) > 1 else native


def _empty() -> Failed:
    """A well-formed answer that says nothing."""
    return Failed(Failure(Kind.EMPTY, "the provider's answer has no content", status=200))


def _request_id(headers: Mapping[str, str]) -> str | None:
    for name in REQUEST_ID_HEADERS:
        if name in headers:
            return headers[name]
    return None


def _says_nothing(chunks: list[Chunk]) -> bool:
    """Whether an answer consists of a plain stop."""
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    reasons = {choice["finish_reason"] for choice in choices} - {None}
    return reasons == {"stop"} and not any(says_something(choice["delta"]) for choice in choices)
