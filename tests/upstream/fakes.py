"""A transport and its responses as scripts; no sockets, no time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.upstream.transport import Request, Take, TransportError, Trouble

Piece = bytes | Trouble
"""Bytes that arrive together, or what goes wrong instead."""

EVENTS: Mapping[str, str] = {"content-type": "text/event-stream"}
JSON: Mapping[str, str] = {"content-type": "application/json"}


def trouble(kind: str) -> TransportError:
    return TransportError(kind, f"test:80: {kind}")  # type: ignore[arg-type]


class Response:
    """An answer whose body arrives piece by piece; the end comes once the pieces are used up."""

    def __init__(
        self, *pieces: Piece, status: int = 200, headers: Mapping[str, str] = EVENTS
    ) -> None:
        self.status = status
        self.headers = headers
        self.waits: list[float] = []
        """The limits of all reads, in seconds."""
        self.closed = 0
        self._pieces = list(pieces)

    async def receive(self, timeout_s: float) -> bytes:
        self.waits.append(timeout_s)
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if isinstance(piece, str):
            raise trouble(piece)
        return piece

    async def listen(self, timeout_s: float, take: Take) -> None:
        while take(await self.receive(timeout_s)):
            pass

    async def read(self, bytes_max: int, timeout_s: float) -> bytes:
        whole = b""
        while piece := await self.receive(timeout_s):
            whole += piece
        return whole

    async def aclose(self) -> None:
        self.closed += 1


class Transport:
    """Gives the n-th request the n-th answer."""

    def __init__(self, *answers: Response | Trouble) -> None:
        self.requests: list[Request] = []
        self.waits: list[float] = []
        self.answers: Sequence[Response | Trouble] = answers

    async def send(self, request: Request, timeout_s: float) -> Response:
        self.requests.append(request)
        self.waits.append(timeout_s)
        answer = self.answers[len(self.requests) - 1]
        if isinstance(answer, str):
            raise trouble(answer)
        return answer

    async def aclose(self) -> None:
        pass
