"""The connection to an OpenTelemetry collector: httpx on an event loop of the thread that sends.

It uses an event loop, so that one deadline bounds a whole request: a collector that sends
its answer a byte at a time satisfies every single read.
"""

from __future__ import annotations

import asyncio
import gzip

import httpx

from gateway.observe.trace_settings import Settings
from gateway.observe.traces import Answer, Unreachable
from gateway.urls import target

ANSWER_BYTES_MAX = 64 * 1024


class HttpPost:
    """A `Post`. Follows no redirect: the headers hold a key. Used and closed in one thread."""

    def __init__(self, settings: Settings, user_agent: str) -> None:
        self._url = settings.url
        self._place = str(target(settings.url).origin)
        self._timeout_s = settings.timeout_s
        self._is_compressed = settings.is_compressed
        self._headers = {
            "content-type": "application/json",
            "user-agent": user_agent,
            **({"content-encoding": "gzip"} if settings.is_compressed else {}),
            **{name.lower(): value for name, value in settings.headers},
        }
        self._runner: asyncio.Runner | None = None
        self._client: httpx.AsyncClient | None = None

    def __call__(self, body: bytes, timeout_s: float) -> Answer:
        """Raises `Unreachable`."""
        self._runner = self._runner or asyncio.Runner()
        data = gzip.compress(body, 6) if self._is_compressed else body
        try:
            return self._runner.run(self._send(data, timeout_s))
        except TimeoutError as error:
            raise Unreachable(f"{self._place} does not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise Unreachable(f"{self._place}: {type(error).__name__}") from error

    def close(self) -> None:
        if self._runner is None:
            return
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    async def _send(self, data: bytes, timeout_s: float) -> Answer:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s)
        async with (
            asyncio.timeout(timeout_s),
            self._client.stream("POST", self._url, content=data, headers=self._headers) as response,
        ):
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    break
            return Answer(response.status_code, response.headers.get("retry-after"), bytes(body))
