"""A call: a request in, one way through the relay, an answer or an error out. The same for every
client API."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, Protocol

from gateway.failures import UNREADABLE, Exhausted, Failed, Failure, structure_fault
from gateway.hub import exact_json
from gateway.hub.contracts import Answer, Conversation, Inbound, StreamEncoder
from gateway.hub.exact_json import parse_object
from gateway.inbound.access import check_key
from gateway.inbound.body import read_body
from gateway.inbound.errors import of_exhausted, of_refusal
from gateway.inbound.exchange import Exchange, Serve, sent
from gateway.inbound.http import (
    JSON,
    ClientLeft,
    Headers,
    HttpError,
    header_value,
)
from gateway.inbound.interrupt import Interrupt
from gateway.inbound.memory import Memory
from gateway.inbound.serving import Holder
from gateway.inbound.stream import EventStream, StoppedReading
from gateway.limits.refusals import Refused
from gateway.operations import OPERATIONS, Operation
from gateway.shared.affinity import Affinity, first
from gateway.text.trace_context import Trace
from gateway.types import Attempt, Call, Client, Model, Reply, Request

log = logging.getLogger("gateway.inbound")


class Observer(Protocol):
    """Receives every call."""

    def started(self) -> None:
        """A call is under way."""
        ...

    def ended(
        self, call: Call | None, status: int, failure: Failure | None, ended_at: float
    ) -> None:
        """A call is over. `call` is None when the request never became one; `status` 499 means that
        the client left."""
        ...


ConversationOf = Callable[[Call, Mapping[str, str]], Conversation | None]
"""Finds the conversation of a call by the call and the client's headers."""


class Sticky(NamedTuple):
    """What keeps conversations at the fallback that served them."""

    affinity: Affinity
    conversation_of: ConversationOf


class Api(NamedTuple):
    """One API that clients speak."""

    face: Inbound
    operation: Operation
    memory: Memory | None = None


class CallEndpoint:
    """Answers calls, each by the gateway that it began with."""

    def __init__(
        self,
        holder: Holder,
        observer: Observer,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        conversation_of: ConversationOf,
        begin_trace: Callable[[Mapping[str, Any]], Trace] | None = None,
    ) -> None:
        self.holder: Final = holder
        self.sticky: Final = Sticky(Affinity(), conversation_of)
        self.clock: Final = clock
        self.wall: Final = wall
        self._observer = observer
        self.begin_trace: Final = begin_trace
        self.calls: Final[dict[Interrupt, _Answering]] = {}
        """One per call under way, oldest first."""

    def under_way(self) -> Iterator[Call]:
        """The calls under way whose request has been read, oldest first."""
        under_way = self.calls.values()
        return (each.call for each in under_way if each.call is not None)

    def end_all(self) -> None:
        """Ends every call under way, each with an error that says why."""
        for interrupt in list(self.calls):
            interrupt.fire(
                HttpError(
                    503, "The gateway is shutting down.", type_="server_error", code="shutting_down"
                )
            )

    def serving(
        self, face: Inbound, memory: Memory | None = None, operation: str = "generate"
    ) -> Serve:
        """What answers one operation of a client API. `memory` keeps its answers, where it has
        that."""
        return partial(self._serve, Api(face, OPERATIONS[operation], memory))

    async def _serve(self, api: Api, exchange: Exchange) -> None:
        interrupt = Interrupt()
        answering = self.calls[interrupt] = _Answering(self, api, exchange, interrupt)
        self._observer.started()
        status, failure = 500, None
        try:
            with interrupt:
                call = await answering.begin(len(self.calls))
                reply = await answering.reply(call)
                if (sending := answering.send(call, reply)) is not None:
                    failure = await sending
                    answering.sent(call, failure)
                status = 200
        except ClientLeft:
            status = 499
        except StoppedReading:
            status = 499
            log.warning(
                "%s: the client stopped reading its stream; the call was ended", exchange.id
            )
            exchange.abort()
        except HttpError as error:
            status = await answering.refuse(error)
        except Exception:
            # The outermost edge: the gateway's own fault. A stream to which no error can be written
            # just stops: no client trusts that.
            log.exception("%s: internal error", exchange.id)
            with suppress(Exception):
                await answering.refuse(_internal())
        finally:
            del self.calls[interrupt]
            if answering.call is not None and answering.call.hold is not None:
                answering.settle(answering.call)
            self._observer.ended(answering.call, status, failure, self.clock())


class _Answering:
    """One request and its answer."""

    def __init__(
        self, endpoint: CallEndpoint, api: Api, exchange: Exchange, interrupt: Interrupt
    ) -> None:
        self.call: Call | None = None
        self._stream: EventStream | None = None
        """The answer to a streaming call."""
        self._encoder: StreamEncoder | None = None
        self._exchange = exchange
        self._face, self._operation, self._memory = api
        self._interrupt = interrupt
        self._begin_trace = endpoint.begin_trace
        self._gateway = endpoint.holder.gateway
        self._clock = endpoint.clock
        self._wall = endpoint.wall
        self._received_at = endpoint.clock()
        self._affinity, self._conversation_of = endpoint.sticky
        self._found: Conversation | None = None
        self._chain: tuple[Model, ...] = ()
        """The call's models in the operator's order."""
        self._stays_with: Model | None = None
        """The fallback that is tried before them, as it served the conversation before."""

    async def begin(self, calls: int) -> Call:
        """The call that the request means. `calls` are under way, this one included.

        Raises `HttpError` and `ClientLeft`.
        """
        exchange, gateway = self._exchange, self._gateway
        server = gateway.config.server
        client = check_key(exchange.headers, gateway.keys)
        if exchange.method != "POST":
            raise _wrong_method(exchange)
        if calls > server.max_calls:
            raise _too_many(server.max_calls)
        body = await read_body(
            exchange, server.max_body_bytes, server.request_seconds, self._interrupt
        )
        request = await self._decode(body, client)
        agent = gateway.names.resolve(request.chat["model"], client)
        candidates = self._operation.candidates(agent, request.chat)
        self._chain = candidates
        self.call = Call(
            id=exchange.id,
            agent=agent if candidates is agent.models else replace(agent, models=candidates),
            client=client,
            request=request,
            stream=bool(request.chat.get("stream")),
            received_at=self._received_at,
            dialect=self._face.NAME,
            operation=self._operation.NAME,
            trace=self._begin_trace(_scope_of(exchange)) if self._begin_trace is not None else None,
        )
        return self.call

    def _left(self) -> None:
        self._interrupt.fire(ClientLeft())

    def _stay(self, call: Call) -> None:
        """Puts the fallback first that serves this conversation."""
        conversation = self._conversation(call)
        if conversation is None or not conversation.may_continue:
            return
        model = self._affinity.find(conversation.key, self._chain, self._clock())
        if model is not None and model is not self._chain[0]:
            self._stays_with = model
            call.agent = replace(call.agent, models=first(model, self._chain))

    def _note_model(self, call: Call, model: Model) -> None:
        """Notes that `model` serves this conversation from now on.

        The first model's answer to a new conversation says nothing of another one that begins
        alike.
        """
        conversation = self._conversation(call)
        if conversation is None:
            return
        if model is not self._chain[0]:
            until = self._clock() + self._gateway.config.fallback.sticky_seconds
            self._affinity.put(conversation.key, model, until)
        elif conversation.may_continue:
            self._affinity.forget(conversation.key)

    def _conversation(self, call: Call) -> Conversation | None:
        if not self._gateway.config.fallback.sticky_seconds:
            return None
        if self._found is None:
            self._found = self._conversation_of(call, self._exchange.headers)
        return self._found

    async def _reserve(self, call: Call) -> None:
        try:
            await self._gateway.limiter.reserve(call)
        except Refused as refused:
            raise of_refusal(refused.refusal) from refused

    def settle(self, call: Call) -> None:
        """Charges the call to its limits, whatever its outcome."""
        self._gateway.limiter.settle(call)

    async def _decode(self, body: bytes, client: Client) -> Request:
        try:
            stated: Mapping[str, Any] = parse_object(body)
            if self._memory is not None:
                await self._memory.fetch(client.name, self._memory.named_by(stated))
                stated = self._memory.expand(client.name, stated)
            return self._face.decode_request(stated, self._exchange.headers)
        except Failed as failed:
            wrong = failed.failure
            raise HttpError(400, wrong.message, code=wrong.code, param=wrong.param) from failed
        except UNREADABLE as error:
            message = f"Invalid request: {structure_fault(error)}."
            raise HttpError(400, message, code="invalid_value") from error

    async def refuse(self, error: HttpError) -> int:
        """Sends an error: as the answer, or inside a stream that has begun and not ended. Returns
        the status."""
        stream = self._stream
        if stream is not None and stream.begun and self.call is not None:
            if not stream.ended:
                answer = self._as_answer(self.call, self.call.agent.name)
                encoder = self._encoder or self._face.StreamEncoder(answer)
                await sent(self._exchange.end(encoder.error(error.refusal)))
            return error.refusal.status
        status, body, own = self._face.encode_error(error.refusal, self._exchange.id)
        stated = [(name.encode(), value.encode()) for name, value in own.items()]
        headers = [JSON, *self.headers(), *stated]
        await sent(self._exchange.respond(status, headers, exact_json.dumps(body)))
        return status

    async def reply(self, call: Call) -> Reply:
        """The reply of the first model that commits. Raises `HttpError`."""
        self._exchange.watch(self._left)
        if self._gateway.is_limited or call.client.limits:
            await self._reserve(call)
            self._chain = call.agent.models
        if self._affinity.conversations and len(self._chain) > 1:
            self._stay(call)
        answering = self._gateway.relay.answer(call)
        try:
            reply = await (self._streaming(answering) if call.stream else answering)
        except Exhausted as error:
            raise of_exhausted(error, call) from error
        if call.hold is not None:
            call.hold.watch(reply)
        is_fallback = reply.attempt.model is not self._chain[0]
        if is_fallback or (self._affinity.conversations and len(self._chain) > 1):
            self._note_model(call, reply.attempt.model)
        return reply

    def _streaming(self, answering: Coroutine[Any, Any, Reply]) -> Coroutine[Any, Any, Reply]:
        """Sends heartbeats until the reply is there, where the operator wants that."""
        self._stream = EventStream(self._exchange, self._interrupt, self._face.KEEP_ALIVE)
        timeouts = self._gateway.config.timeouts
        if not timeouts.heartbeat_before_commit:
            return answering
        return self._stream.while_waiting(answering, timeouts.heartbeat_seconds, self.headers())

    def send(self, call: Call, reply: Reply) -> Awaitable[Failure | None] | None:
        """Sends the answer, or returns what sends it. The awaitable returns the failure that broke
        a stream off, and raises `StoppedReading`."""
        if reply.chunks is not None:
            assert self._stream is not None
            self._encoder = self._face.StreamEncoder(self._as_answer(call, reply.model))
            return self._stream.relay(reply, self._encoder, self.headers(reply))
        assert reply.chat is not None
        if reply.body is None:
            reply.body = self._face.encode_response(reply.chat, self._as_answer(call, reply.model))
        if self._memory is not None:
            self._memory.keep(call.client.name, call.request, reply.body)
        data = reply.raw or exact_json.dumps(reply.body)
        return self._exchange.respond(200, [JSON, *self.headers(reply)], data)

    def sent(self, call: Call, failure: Failure | None) -> None:
        """A stream is out: keeps the whole answer for the client to continue, where its API has
        that."""
        if self._memory is not None and self._encoder is not None:
            response = self._encoder.response if failure is None else None
            self._memory.keep(call.client.name, call.request, response)

    def _as_answer(self, call: Call, model: str) -> Answer:
        return Answer(call.id.removeprefix("req_"), int(self._wall()), model, call.request)

    def headers(self, reply: Reply | None = None) -> Headers:
        """The headers of every answer."""
        id_, call = self._exchange.id.encode(), self.call
        found, now = [(name.encode(), id_) for name in self._face.ID_HEADERS], self._clock()
        overhead_s = call.overhead_s(now) if call is not None else now - self._received_at
        found.append((b"x-gateway-overhead-ms", b"%.2f" % (overhead_s * 1000)))
        if call is None:
            return [*found, (b"x-gateway-attempts", b"")]
        if call.hold is not None or call.decided_alone:
            found += _of_limits(call)
        if reply is None:
            found += _of_answer(call.agent.name, call.attempts[-1].model if call.attempts else None)
            return [*found, (b"x-gateway-attempts", header_value(call.tried()))]
        attempt = reply.attempt
        found += _of_answer(call.agent.name, attempt.model)
        if len(call.attempts) == 1:
            found.append(_of_first(attempt.model))
        else:
            tried = ", ".join([each.brief() for each in call.attempts])
            found.append((b"x-gateway-attempts", header_value(tried)))
        if attempt.model is self._stays_with:
            found.append((b"x-gateway-sticky", b"1"))
        facts = self._operation.facts(attempt.model, call.request.chat)
        found += [(name.encode(), header_value(value)) for name, value in facts.items()]
        if attempt.dropped:
            found.append((b"x-gateway-dropped", header_value(",".join(attempt.dropped))))
        if attempt.upstream_request_id:
            upstream_id = header_value(attempt.upstream_request_id)
            found.append((b"x-gateway-upstream-request-id", upstream_id))
        return found


@lru_cache(maxsize=1024)
def _of_answer(agent: str, model: Model | None) -> Headers:
    """The headers that name the agent, and the model which answered or was tried last."""
    named = {"agent": agent}
    if model is not None:
        named |= {"model": model.name, "provider": model.provider.name}
    return [(f"x-gateway-{what}".encode(), header_value(name)) for what, name in named.items()]


@lru_cache(maxsize=1024)
def _of_first(model: Model) -> tuple[bytes, bytes]:
    """The header of an answer to the first attempt."""
    return b"x-gateway-attempts", header_value(Attempt(model, 1).brief())


def _scope_of(exchange: Exchange) -> dict[str, Any]:
    """The part of an ASGI scope that says where a trace begins."""
    headers, path, scheme = exchange.headers.pairs, exchange.path, exchange.scheme
    return {"headers": headers, "path": path, "scheme": scheme}


def _wrong_method(exchange: Exchange) -> HttpError:
    if exchange.method == "GET" and b"x-upgrade" in exchange.headers.first:
        message = "This gateway does not speak WebSocket; use POST and server-sent events."
        return HttpError(426, message, code="upgrade_required", headers={"upgrade": "HTTP/1.1"})
    message = f"{exchange.method} is not allowed here; use POST."
    return HttpError(405, message, headers={"allow": "POST"})


def _of_limits(call: Call) -> Headers:
    """A budget that is nearly spent, and what this process decided without the others."""
    found: Headers = []
    if call.hold is not None and call.hold.warning:
        found.append((b"x-gateway-budget", header_value(call.hold.warning)))
    if call.decided_alone:
        found.append((b"x-gateway-degraded", ",".join(call.decided_alone).encode()))
    return found


def _too_many(calls_max: int) -> HttpError:
    message = f"The gateway has {calls_max} calls under way (server.maxCalls)."
    return HttpError(
        503, message, type_="server_error", code="too_many_calls", headers={"retry-after": "1"}
    )


def _internal() -> HttpError:
    message = "Internal error of the gateway; its log has the details."
    return HttpError(500, message, type_="server_error", code="internal_error")
