"""The fault lab: a server that speaks every provider's native API, plausibly, and on demand
wrongly.

`Lab` is the whole of it; the demo, the tests, `gateway lab` and `gateway drill` all use it. Nothing
of it is reachable while the gateway serves. It shares no code with the translators, so that it
cannot share their mistakes; from the providers' rows it has names, paths and headers alone.

    answers    what is said            faults     what goes wrong, by name
    anthropic, google, chat, responses, …         how each API says it
    play       a fault in an answer, as bytes     server     the bytes on a socket
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, cycle, repeat
from types import ModuleType, TracebackType
from typing import Any, Final

import orjson

from gateway.lab import chat
from gateway.lab.answers import Asked
from gateway.lab.faults import FAULTS, Fault
from gateway.lab.limits import Limit
from gateway.lab.play import Played, error, good, play, refuse
from gateway.lab.server import Delay, Request, Server
from gateway.lab.vendors import Vendor, vendors
from gateway.providers import PROVIDERS

__all__ = ["BASE_PATHS", "FAULTS", "Fault", "Lab", "Limit", "Seen"]

CALLS_MAX: Final = 1000
CALLS_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of requests that the lab remembers, in bytes as they arrived."""
SLOW_S: Final = 20.0
"""How long a slow first token takes."""

VENDORS: Final[Mapping[str, Vendor]] = vendors(PROVIDERS.values())
BASE_PATHS: Final[Mapping[str, str]] = {name: vendor.path for name, vendor in VENDORS.items()}
"""Provider → the prefix of its paths, as in its real base URL."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request the lab was sent."""

    provider: str
    model: str
    fault: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    """Without those that hold a key."""


class Lab:
    """The lab on a port of its own, as a context.

    Which fault is played is decided per call: by the header `x-lab-fault`, by a path that begins
    with `/fault/<name>`, by a model id that ends in `+<name>`, by the script (`fault`), in this
    order; else none.
    """

    def __init__(
        self,
        *,
        limits: Mapping[str, Limit] | None = None,
        pause: Callable[[], Awaitable[None]] | None = None,
        delay: Delay | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        vendors: Mapping[str, Vendor] = VENDORS,
    ) -> None:
        self._vendors = vendors
        self._seen: deque[tuple[Seen, int]] = deque()
        self._seen_bytes = 0
        self.port = port
        self._host = host
        self._limits = dict(limits or {})
        self._scripts: dict[str, Any] = {}
        self._count = 0
        self._server = Server(self.handle, pause or _slow, delay)

    async def __aenter__(self) -> Lab:
        self.port = await self._server.start(self._host, self.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error_: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.stop()

    @property
    def calls(self) -> list[Seen]:
        """The last requests, oldest first: at most `CALLS_MAX`, of `CALLS_BYTES_MAX` together."""
        return [seen for seen, _ in self._seen]

    def _keep(self, seen: Seen, size: int) -> None:
        self._seen.append((seen, size))
        self._seen_bytes += size
        while len(self._seen) > CALLS_MAX or self._seen_bytes > CALLS_BYTES_MAX:
            _, oldest_bytes = self._seen.popleft()
            self._seen_bytes -= oldest_bytes

    @property
    def clients_left(self) -> int:
        """Clients that closed the connection while their answer hung or paused."""
        return self._server.left

    @property
    def held_bytes(self) -> int:
        """The size of the requests that are being read."""
        return self._server.held_bytes

    def base_url(self, provider: str) -> str:
        """The value of `baseUrl` for a provider."""
        return f"http://{self._host}:{self.port}{self._vendors[provider].path}"

    def fault(self, target: str, *names: str) -> None:
        """Scripts a provider or a model: its next calls have these faults in order, the last one
        from then on.

        `flap` alternates between good and overloaded; `server_error` happens once. Raises
        `KeyError`."""
        for name in names:
            FAULTS[name]
        self._scripts[target] = _script(names)

    def handle(self, request: Request) -> Played:
        """The steps that are played for a request."""
        path, forced = _forced(request.path)
        provider = path.strip("/").partition("/")[0]
        if request.method == "GET":
            return self._get(path, provider)
        vendor = self._vendors.get(provider)
        api = vendor.api(path) if vendor is not None else None
        if vendor is None or api is None:
            return error(chat.error("no_such_model"))
        if self._lacks_a_key(request, vendor):
            return error(api.error("bad_key"))
        return self._post(request, path, provider, api, forced)

    def _lacks_a_key(self, request: Request, vendor: Vendor) -> bool:
        return bool(vendor.key_headers) and not any(map(request.headers.get, vendor.key_headers))

    def _post(
        self, request: Request, path: str, provider: str, api: ModuleType, forced: str | None
    ) -> Played:
        try:
            body = orjson.loads(request.body)
            if path.endswith(getattr(api, "COUNT_PATH", "?")):
                return good(api.count(body))
            asked = api.asked(body, path)
            if asked is None:
                return refuse(api)
            fault = self._choose(request, provider, asked, forced)
            seen = Seen(provider, asked.model, fault, path, body, _visible(request.headers))
            self._keep(seen, request.bytes)
            self._count += 1
            played = play(fault, api, asked, f"lab{self._count}")
        except _UNREADABLE:
            return refuse(api)
        limit = self._limits.get(provider)
        return limit.applied(played, api) if limit is not None else played

    def _choose(self, request: Request, provider: str, asked: Asked, forced: str | None) -> str:
        stated = request.headers.get("x-lab-fault") or forced or asked.model.partition("+")[2]
        if stated in FAULTS and stated != "flap":
            return stated
        for target in (asked.model, provider):
            if target in self._scripts:
                return str(next(self._scripts[target]))
        return "ok"

    def _get(self, path: str, provider: str) -> Played:
        vendor = self._vendors.get(provider)
        if path == "/lab/calls":
            calls = [
                {"provider": seen.provider, "model": seen.model, "fault": seen.fault}
                for seen in self.calls
            ]
            return good(calls)
        if vendor is not None and vendor.apis:
            return good(vendor.apis[-1].models(["lab-model"]))
        return Played(200, {"content-type": "text/plain"}, [_PAGE], len(_PAGE))


_UNREADABLE: Final = (
    ValueError,
    AttributeError,
    KeyError,
    TypeError,
    IndexError,
    RecursionError,
)
"""The errors that reading a request of another shape raises; a real server answers 400 and goes
on."""
_KEY_HEADERS: Final = frozenset({"authorization"}).union(
    *(vendor.key_headers for vendor in VENDORS.values())
)
_PAGE: Final = (
    b"The fault lab of the Local Agent Gateway. Point a provider's base URL here:\n\n"
    + "".join(f"  {name:<11} {path}\n" for name, path in BASE_PATHS.items()).encode()
    + b"\nAsk for a fault with the header x-lab-fault, a path /fault/<name>/...,\n"
    + b"or a model id that ends in +<name>:\n\n"
    + "".join(f"  {name:<18} {fault.summary}\n" for name, fault in FAULTS.items()).encode()
)


def _visible(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _KEY_HEADERS}


def _forced(path: str) -> tuple[str, str | None]:
    """(the path proper, the fault that its beginning asks for)."""
    if path.startswith("/fault/"):
        name, _, path = path.removeprefix("/fault/").partition("/")
        return "/" + path, name
    return path, None


def _script(names: Iterable[str]) -> Any:
    once = {"flap": None, "server_error": ("server_error", "ok")}
    steps = [step for name in names for step in (once.get(name) or (name,))]
    if steps[-1] == "flap":
        return chain(steps[:-1], cycle(("ok", "overloaded")))
    return chain(steps, repeat(steps[-1]))


async def _slow() -> None:
    await asyncio.sleep(SLOW_S)
