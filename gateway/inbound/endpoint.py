"""`POST /v1/chat/completions`: a request in, one call through the relay, an answer or an error out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

from gateway import sse
from gateway.dialects.chat import StreamEncoder, decode_request, encode_error, encode_response
from gateway.dialects.chat.normalize import parse, speaks_functions
from gateway.failures import UNREADABLE, Exhausted, Failed, Failure
from gateway.inbound.access import check_key
from gateway.inbound.body import read_body
from gateway.inbound.errors import of_exhausted
from gateway.inbound.http import (
    ClientLeft,
    Headers,
    HttpError,
    Receive,
    Scope,
    Send,
    abort,
    header_value,
    request_id,
    send_json,
)
from gateway.inbound.interrupt import Interrupt
from gateway.inbound.resolve import resolve
from gateway.inbound.serving import Gateway
from gateway.inbound.stream import EventStream, Presence, StoppedReading
from gateway.types import Call, Model, Reply

log = logging.getLogger("gateway.inbound")

_INTERNAL: Final = encode_error("internal error; the gateway's log has it", "server_error", code="internal_error")


class Observer(Protocol):
    """Hears of every call."""

    def started(self) -> None:
        """A call is under way."""
        ...

    def ended(self, call: Call | None, status: int, failure: Failure | None, ended_at: float) -> None:
        """A call is over. `call` is None when the request never became one; `status` 499 says that the client left."""
        ...


class ChatEndpoint:
    """An ASGI application. `current` gives the gateway as it is configured now; a call keeps the one it began with."""

    def __init__(
        self,
        current: Callable[[], Gateway],
        observer: Observer,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._current = current
        self._observer = observer
        self._clock = clock
        self._wall = wall
        self.calls: Final[set[Interrupt]] = set()
        """One per call under way."""

    def end_all(self) -> None:
        """Ends every call under way, each with an error that says why."""
        for interrupt in list(self.calls):
            interrupt.fire(HttpError(503, "The gateway is shutting down.", type_="server_error", code="shutting_down"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        interrupt = Interrupt()
        self.calls.add(interrupt)
        self._observer.started()
        exchange = _Exchange(self._current(), request_id(scope), self._clock, self._wall, send, interrupt)
        status, failure = 500, None
        try:
            with interrupt:
                status, failure = await exchange.run(scope, receive, calls=len(self.calls))
        except ClientLeft:
            status = 499
        except StoppedReading:
            status = 499
            log.warning("%s: the client stopped reading its stream; the call was ended", exchange.id)
            abort(scope)
        except HttpError as error:
            status = error.status
            await exchange.refuse(error)
        except Exception:
            # The outermost edge: a fault of ours. A stream that has begun just stops, and no client trusts that.
            log.exception("%s: internal error", exchange.id)
            if not exchange.stream.begun:
                await send_json(send, 500, _INTERNAL, exchange.headers())
        finally:
            self.calls.discard(interrupt)
            self._observer.ended(exchange.call, status, failure, self._clock())


class _Exchange:
    """One request and its answer."""

    def __init__(
        self,
        gateway: Gateway,
        id_: str,
        clock: Callable[[], float],
        wall: Callable[[], float],
        send: Send,
        interrupt: Interrupt,
    ) -> None:
        self.id = id_
        self.call: Call | None = None
        self.stream = EventStream(send, interrupt)
        self._send = send
        self._interrupt = interrupt
        self._gateway = gateway
        self._received_at = clock()
        self._clock = clock
        self._wall = wall

    async def run(self, scope: Scope, receive: Receive, calls: int) -> tuple[int, Failure | None]:
        """Answers. `calls` are under way, this one included. Returns (status, the failure that broke a stream off).

        Raises `HttpError`, `ClientLeft`, `StoppedReading`.
        """
        server = self._gateway.server
        client = check_key(scope, self._gateway.keys)
        if scope["method"] != "POST":
            raise HttpError(405, f"{scope['method']} is not allowed here; use POST.", headers={"allow": "POST"})
        if calls > server.max_calls:
            raise _too_many(server.max_calls)
        body = await read_body(scope, receive, server.max_body_bytes, server.request_seconds, self._interrupt)
        try:
            raw = parse(body)
            chat = decode_request(raw)
        except Failed as failed:
            wrong = failed.failure
            raise HttpError(400, wrong.message, code=wrong.code, param=wrong.param) from failed
        except UNREADABLE as error:
            message = f"The request holds something that cannot be read ({type(error).__name__}: {error})."
            raise HttpError(400, message, code="invalid_value") from error
        agent = resolve(chat["model"], self._gateway.agents, self._gateway.models, client)
        self.call = Call(
            id=self.id,
            agent=agent,
            client=client,
            chat=chat,
            stream=bool(chat.get("stream")),
            received_at=self._received_at,
            include_usage=bool((chat.get("stream_options") or {}).get("include_usage")),
            legacy_functions=speaks_functions(raw),
        )
        with Presence(self._interrupt, receive):
            return await self._answer(self.call)

    async def refuse(self, error: HttpError) -> None:
        """Tells the client of an error: as the answer, or inside a stream that has begun."""
        if self.stream.begun:
            await self.stream.end(sse.encode(error.body))
        else:
            await send_json(self._send, error.status, error.body, [*self.headers(), *error.headers])

    async def _answer(self, call: Call) -> tuple[int, Failure | None]:
        timeouts = self._gateway.config.timeouts
        answering = self._gateway.relay.answer(call)
        try:
            if call.stream and timeouts.heartbeat_before_commit:
                answering = self.stream.while_waiting(answering, timeouts.heartbeat_seconds, self.headers())
            reply = await answering
        except Exhausted as error:
            raise of_exhausted(error, call) from error
        id_, created = "chatcmpl-" + call.id.removeprefix("req_"), int(self._wall())
        if reply.chunks is not None:
            encoder = StreamEncoder(
                id_,
                created,
                reply.model,
                include_usage=call.include_usage,
                legacy_functions=call.legacy_functions,
            )
            return 200, await self.stream.relay(reply, encoder, self.headers(reply))
        assert reply.chat is not None
        body = encode_response(reply.chat, id_, created, reply.model, legacy_functions=call.legacy_functions)
        await send_json(self._send, 200, body, self.headers(reply))
        return 200, None

    def headers(self, reply: Reply | None = None) -> Headers:
        """What every answer says about itself."""
        found: Headers = [(b"x-request-id", self.id.encode())]
        call = self.call
        if call is not None:
            found.append((b"x-gateway-agent", header_value(call.agent.name)))
            if call.attempts:
                found.append((b"x-gateway-attempts", header_value(call.tried())))
            overhead_ms = call.overhead_s(self._clock()) * 1000
            found.append((b"x-gateway-overhead-ms", f"{overhead_ms:.2f}".encode()))
        if reply is not None:
            attempt = reply.attempt
            found += _of_model(attempt.model)
            if attempt.dropped:
                found.append((b"x-gateway-dropped", header_value(",".join(attempt.dropped))))
            if attempt.upstream_request_id:
                found.append((b"x-gateway-upstream-request-id", header_value(attempt.upstream_request_id)))
        return found


@lru_cache(maxsize=1024)
def _of_model(model: Model) -> Headers:
    """The headers that name the model which answered."""
    return [
        (b"x-gateway-model", header_value(model.name)),
        (b"x-gateway-provider", header_value(model.provider.name)),
    ]


def _too_many(calls_max: int) -> HttpError:
    message = f"The gateway has {calls_max} calls under way (server.maxCalls)."
    return HttpError(503, message, type_="server_error", code="too_many_calls", headers={"retry-after": "1"})
