"""A provider that goes on when a test says so."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from gateway.lab import Lab

KEY = {"OPENAI_API_KEY": "test"}


class SlowLab:
    """A lab in a thread of its own, whose streams stop behind their first pieces until the gate is
    open."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.gate = asyncio.Event()
        self.lab = Lab(delay=self.wait)
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.call(self.lab.__aenter__())

    async def wait(self, number: int) -> None:
        if number > 3:
            await self.gate.wait()

    def call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def open(self) -> None:
        self.loop.call_soon_threadsafe(self.gate.set)

    def stop(self) -> None:
        self.call(self.lab.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
