"""Keeps the client keys of this host and those in the engine of its cluster alike, while the
gateway runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from gateway.inbound.keys import KeysError
from gateway.inbound.shared_keys import Merged, SharedKeys
from gateway.shared.redis.health import EngineAway

log = logging.getLogger("gateway.cluster")


class Engine(Protocol):
    """What the synchronisation needs of a member."""

    facts: dict[str, Any]

    async def ask(self, function: str, *arguments: Any) -> Any:
        """Raises `EngineAway`."""
        ...


class KeySync:
    """Looks each second, and when the engine says that keys have changed, whether either side lacks
    something."""

    def __init__(self, keys: SharedKeys, engine: Engine) -> None:
        self._keys = keys
        self._engine = engine
        self._done: tuple[str, object] | None = None
        """The version of the engine's keys, and the mark of our file, that were compared last."""
        self.task: asyncio.Task[None] | None = None
        """The last comparison, under way or over."""
        self._problem = ""

    def __repr__(self) -> str:
        return f"<KeySync {self._keys!r}>"

    def look(self, version: str) -> None:
        """The engine has the keys in this version."""
        is_busy = self.task is not None and not self.task.done()
        if not is_busy and self._done != (version, self._keys.mark):
            self.task = asyncio.get_running_loop().create_task(self._sync(version))

    async def _sync(self, version: str) -> None:
        mark = self._keys.mark  # before: our file may change meanwhile, which is not compared then
        try:
            merged = await exchange(self._engine.ask, self._in_thread)
        except (EngineAway, KeysError) as error:
            self._report(str(error))
            return
        self._done = (version, mark)
        self._engine.facts["keys"] = version.rpartition(" ")[2]
        refused = f"{merged.refused} keys in the engine were signed with another cluster_secret"
        self._report(refused if merged.refused else "")

    async def _in_thread(self, theirs: Mapping[str, str]) -> Merged:
        return await asyncio.to_thread(self._keys.apply, theirs)

    def _report(self, problem: str) -> None:
        """Each problem once."""
        if problem and problem != self._problem:
            log.warning("the client keys of the cluster: %s", problem)
        self._problem = problem


async def exchange(
    ask: Callable[..., Awaitable[Any]],
    apply: Callable[[Mapping[str, str]], Awaitable[Merged]],
) -> Merged:
    """Applies what the engine knows, and gives it what it lacks. Raises what the two raise."""
    _, found = await ask("keys_get")
    merged = await apply(_paired(found))
    if merged.news:
        await ask("keys_put", [part for pair in merged.news.items() for part in pair])
    return merged


def _paired(flat: Sequence[str]) -> dict[str, str]:
    parts = iter(flat)
    return dict(zip(parts, parts, strict=True))
