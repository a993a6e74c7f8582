"""`POST /v1/chat/completions`: a request in, one call through the relay, an answer or an error out."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable
from typing import Any, Final, Protocol

from gateway.dialects.chat import StreamEncoder, decode_request, encode_error, encode_response
from gateway.dialects.chat.normalize import parse
from gateway.failures import Exhausted, Failed, Failure
from gateway.gateway import Gateway
from gateway.inbound.access import check_host, check_key
from gateway.inbound.errors import of_exhausted
from gateway.inbound.http import (
    ClientLeft,
    Headers,
    HttpError,
    Receive,
    Scope,
    Send,
    header,
    read_body,
    send_json,
)
from gateway.inbound.resolve import resolve
from gateway.inbound.stream import Presence, StoppedReading, send_stream
from gateway.types import Call, Reply

log = logging.getLogger("gateway.inbound")

_INTERNAL: Final = encode_error("internal error; the gateway's log has it", "server_error", code="internal_error")
_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,128}")


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received_at = self._clock()
        exchange = _Exchange(self._current(), _request_id(scope), received_at, self._clock, self._wall)
        self._observer.started()
        status, failure = 500, None
        try:
            status, failure = await exchange.run(scope, receive, send)
        except ClientLeft:
            status = 499
        except StoppedReading:
            status = 499
            log.warning("%s: the client stopped reading its stream; the call was ended", exchange.id)
        except HttpError as error:
            status = error.status
            await send_json(send, status, error.body, [*exchange.headers(), *error.headers])
        except Exception:
            # The outermost edge: a fault of ours. A stream that has begun just stops, and no client trusts that.
            log.exception("%s: internal error", exchange.id)
            if not exchange.begun:
                await send_json(send, 500, _INTERNAL, exchange.headers())
        finally:
            self._observer.ended(exchange.call, status, failure, self._clock())


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, gateway: Gateway, id_: str, received_at: float, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.id = id_
        self.call: Call | None = None
        self.begun = False
        """The answer's status line is out."""
        self._gateway = gateway
        self._received_at = received_at
        self._clock = clock
        self._wall = wall

    async def run(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, Failure | None]:
        """Answers. Returns (status, the failure that broke a stream off). Raises `HttpError`, `ClientLeft`."""
        server = self._gateway.server
        check_host(scope, self._gateway.allowed_hosts)
        client = check_key(scope, self._gateway.keys)
        if scope["method"] != "POST":
            raise HttpError(405, f"{scope['method']} is not allowed here; use POST.", headers={"allow": "POST"})
        body = await read_body(scope, receive, server.max_body_bytes, server.request_seconds)
        try:
            raw = parse(body)
            chat = decode_request(raw)
        except Failed as failed:
            wrong = failed.failure
            raise HttpError(400, wrong.message, code=wrong.code, param=wrong.param) from failed
        agent = resolve(chat["model"], self._gateway.agents, self._gateway.models, client)
        self.call = Call(
            id=self.id,
            agent=agent,
            client=client,
            chat=chat,
            stream=bool(chat.get("stream")),
            received_at=self._received_at,
            include_usage=bool((chat.get("stream_options") or {}).get("include_usage")),
            legacy_functions="functions" in raw,
        )
        async with Presence(receive):
            return await self._answer(self.call, send)

    async def _answer(self, call: Call, send: Send) -> tuple[int, Failure | None]:
        try:
            reply = await self._gateway.relay.answer(call)
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
            write_s = reply.attempt.model.timeouts.write_s
            self.begun = True
            return 200, await send_stream(send, reply, encoder, self.headers(reply), write_s)
        assert reply.chat is not None
        body = encode_response(reply.chat, id_, created, reply.model, legacy_functions=call.legacy_functions)
        await send_json(send, 200, body, self.headers(reply))
        return 200, None

    def headers(self, reply: Reply | None = None) -> Headers:
        """What every answer says about itself."""
        found: dict[str, Any] = {"x-request-id": self.id}
        call = self.call
        if call is not None:
            found["x-gateway-agent"] = call.agent.name
            found["x-gateway-attempts"] = ", ".join(attempt.brief() for attempt in call.attempts)
            found["x-gateway-overhead-ms"] = f"{call.overhead_s(self._clock()) * 1000:.2f}"
        if reply is not None:
            attempt = reply.attempt
            found["x-gateway-model"] = attempt.model.name
            found["x-gateway-provider"] = attempt.model.provider.name
            found["x-gateway-dropped"] = ",".join(attempt.dropped)
            found["x-gateway-upstream-request-id"] = attempt.upstream_request_id
        return [(name.encode(), str(value).encode("ascii", "replace")) for name, value in found.items() if value]


def _request_id(scope: Scope) -> str:
    """The client's own id if it is one, else a new one."""
    stated = header(scope, b"x-request-id")
    if stated is not None and _REQUEST_ID.fullmatch(stated):
        return stated
    return "req_" + secrets.token_hex(12)
