"""A gateway and a lab over real sockets, in a thread of their own, as a client meets them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import openai

from gateway.app import App
from gateway.config import schema
from gateway.config.load import Config, build
from gateway.lab import Lab, Limit
from gateway.observe.ledger import Ledger
from gateway.process import server

T = TypeVar("T")

IDS = {
    "anthropic": "claude-sonnet-5",
    "google": "gemini-3.5-flash",
    "openai": "gpt-4o",
    "groq": "openai/gpt-oss-20b",
    "xai": "grok-4.5",
    "mistral": "mistral-large-latest",
    "openrouter": "anthropic/claude-sonnet-5",
    "custom": "qwen3:32b",
}
_VENDORS = ("ANTHROPIC", "GEMINI", "OPENAI", "GROQ", "XAI", "MISTRAL", "OPENROUTER")
KEYS = {f"{vendor}_API_KEY": "test" for vendor in _VENDORS}


class Running:
    """A gateway that serves, and the lab that plays its providers."""

    def __init__(
        self, home: Path, limits: Mapping[str, Limit] | None = None, ledger: Ledger | None = None
    ) -> None:
        self.lab = Lab(limits=limits)
        self._ledger = ledger
        self.url = ""
        self.app: App
        self._home = home
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._serving: AbstractAsyncContextManager[str]

    def start(self, root: Callable[[Lab], schema.Root]) -> None:
        """Starts both; `root` makes the configuration."""
        self._thread.start()
        self.run(self._start(root))

    def stop(self) -> None:
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the gateway's loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def set_model_id(self, name: str, model_id: str) -> None:
        """Lets a model of the configuration be another one of its provider."""
        object.__setattr__(self.app.gateway.models[name], "model_id", model_id)

    def sdk(self, **more: Any) -> openai.OpenAI:
        """The official client, without repetitions of its own."""
        options = {
            "base_url": self.url + "/v1",
            "api_key": "any",
            "max_retries": 0,
            "timeout": 20.0,
            **more,
        }
        return openai.OpenAI(**options)

    async def _start(self, root: Callable[[Lab], schema.Root]) -> None:
        await self.lab.__aenter__()
        config: Config = build(root(self.lab), None, {}, None, [])
        self.app = App(config, env=KEYS, home=self._home, ledger=self._ledger)
        self._serving = server.running(self.app, server.listen("127.0.0.1", 0))
        self.url = await self._serving.__aenter__()

    async def _stop(self) -> None:
        await self.lab.__aexit__(None, None, None)
        await self._serving.__aexit__(None, None, None)


def chains(lab: Lab, *agents: str, **timeouts: Any) -> schema.Root:
    """A configuration: agents written as `anthropic>openai`, with one model per provider, that
    waits for nothing.

    `openai+cut` is a model that always has this fault, and a circuit of its own.
    """
    names = {*IDS, *(name for agent in agents for name in agent.split(">"))}
    models = {name: _model(lab, name) for name in names}
    return schema.Root(
        models=models,
        agents={agent: schema.Agent(models=agent.split(">")) for agent in agents},
        timeouts=schema.Timeouts(**timeouts),
        fallback=schema.Fallback(max_wait_seconds=0),
    )


def _model(lab: Lab, name: str) -> schema.Model:
    provider, plus, fault = name.partition("+")
    model_id, url = IDS[provider] + plus + fault, lab.base_url(provider)
    return schema.Model(provider=provider, model=model_id, base_url=url, max_output_tokens=4096)


@contextmanager
def running(
    home: Path, *agents: str, limits: Mapping[str, Limit] | None = None, **timeouts: Any
) -> Iterator[Running]:
    """A running gateway with these agents."""
    gateway = Running(home, limits)
    gateway.start(lambda lab: chains(lab, *agents, **timeouts))
    try:
        yield gateway
    finally:
        gateway.stop()
