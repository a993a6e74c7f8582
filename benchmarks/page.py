"""What the web page costs, with a ledger of half a million calls.

    python -m benchmarks.page [--calls 500000] [--seconds 20]

Writes a ledger of a week, measures how long the page takes in its thread and how long the upgrade
of an older ledger takes, and then calls a gateway over loopback with and without eight viewers who
ask for the page every second, in turn, to compare the latency of the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final

import httpx

from gateway.app import App
from gateway.config import schema
from gateway.config.load import Config, build
from gateway.inbound.page import VIEWER, VIEWERS_MAX
from gateway.lab import Lab
from gateway.observe.ledger import INSERT, Ledger
from gateway.observe.ledger_glance import Asked
from gateway.page.render import page
from gateway.process import server
from gateway.reports.overview import overview

KEYS: Final = {"ANTHROPIC_API_KEY": "lab", "OPENAI_API_KEY": "lab"}
MODELS: Final = {
    "sonnet": ("anthropic", "claude-sonnet-5"),
    "haiku": ("anthropic", "claude-haiku-4-5"),
    "gpt": ("openai", "gpt-5.5"),
    "mini": ("openai", "gpt-4o-mini"),
}
AGENTS: Final = [f"agent-{number}" for number in range(20)]
ATTEMPTS: Final = (
    '[{"number":1,"model":"sonnet","provider":"anthropic","model_id":"claude-sonnet-5","began_s":0.01,'
    '"first_token_s":0.8,"ended_s":4.2,"outcome":"ok","status":200,"cooldown_s":0.0,"request_id":"r","message":null}]'
)
WEEK_S: Final = 7 * 86_400.0
ROUNDS: Final = 4
CLIENTS: Final = 4


def fill(path: Path, calls: int) -> float:
    """Writes a ledger as a gateway would have, and returns the seconds that its sums take at once."""
    ledger = Ledger(path, 90)
    ledger.start()
    ledger.close()
    chance, now = random.Random(1), time.time()
    rows = []
    for number in range(calls):
        name = chance.choice(list(MODELS))
        status, tries = (502, 3) if number % 50 == 0 else (200, 2 if number % 20 == 0 else 1)
        size = chance.randrange(1_000, 180_000)
        rows.append(
            (
                *(f"req_{number}", now - WEEK_S * (1 - number / calls), chance.choice(AGENTS), "bench"),
                *(name, *MODELS[name], status, 1, 4.2, chance.random(), size, 900, size // 2, 0, 0, 0, None),
                *("stop", None, "", tries, ATTEMPTS),
            )
        )
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(INSERT, rows)
        database.execute("PRAGMA user_version = 2")
    began = time.perf_counter()
    ledger = Ledger(path, 90)
    ledger.start()
    ledger.close()
    return time.perf_counter() - began


def config_of(lab: Lab) -> Config:
    models = {
        name: schema.Model(provider=provider, model=id_, base_url=lab.base_url(provider))
        for name, (provider, id_) in MODELS.items()
    }
    agents = {name: schema.Agent(models=["sonnet", "gpt"]) for name in AGENTS}
    return build(schema.Root(models=models, agents=agents), None, {}, None, [])


def in_thread(app: App, path: Path, asked: Asked) -> list[float]:
    """Processor milliseconds of one page, again and again."""
    taken = []
    for _ in range(20):
        status = app.page._status(VIEWER)
        began = time.thread_time()
        found = overview(status, path, app.gateway.config.models, asked, now=time.time())
        page(found, "http://127.0.0.1:8484", is_signed_in=False)
        taken.append((time.thread_time() - began) * 1000)
    return taken


@asynccontextmanager
async def viewers(url: str, count: int) -> AsyncIterator[None]:
    """So many browsers that ask for the page once a second, each with a filter of its own."""

    async def view(number: int) -> None:
        async with httpx.AsyncClient(headers={"accept": "text/html"}) as client:
            while True:
                answer = await client.get(f"{url}/?agent=agent-{number}")
                assert answer.status_code in (200, 503), answer.text
                await asyncio.sleep(1.0)

    tasks = [asyncio.ensure_future(view(number)) for number in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def latencies(url: str, seconds: float) -> list[float]:
    """Milliseconds of calls by a few clients at a time."""
    until = time.perf_counter() + seconds
    taken: list[float] = []
    body = {"model": "agent-0", "messages": [{"role": "user", "content": "Hello"}]}

    async def calls() -> None:
        async with httpx.AsyncClient() as client:
            while time.perf_counter() < until:
                began = time.perf_counter()
                answer = await client.post(f"{url}/v1/chat/completions", json=body)
                assert answer.status_code == 200, answer.text
                taken.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(0.01)

    await asyncio.gather(*(calls() for _ in range(CLIENTS)))
    return taken


def shown(name: str, taken: list[float]) -> None:
    marks = statistics.quantiles(taken, n=100)
    print(f"{name:<34} p50 {marks[49]:6.2f} ms  p95 {marks[94]:6.2f} ms  p99 {marks[98]:6.2f} ms  of {len(taken)}")


async def ask(url: str, seconds: float, count: int) -> list[float]:
    async with viewers(url, count):
        return await latencies(url, seconds)


async def measure(path: Path, seconds: float) -> None:
    async with Lab() as lab:
        ledger = Ledger(path, 90)
        ledger.start()
        app = App(config_of(lab), env=KEYS, home=path.parent, ledger=ledger)
        for name, asked in (
            ("page", Asked()),
            ("page, one agent", Asked("agent-3")),
            ("page, one agent, not plain", Asked("agent-3", not_plain=True)),
        ):
            shown(f"{name}, thread time", in_thread(app, path, asked)[1:])
        async with server.running(app, server.listen("127.0.0.1", 0)) as url:
            found: dict[int, list[float]] = {0: [], 1: [], VIEWERS_MAX: []}
            for _ in range(ROUNDS):
                for count, taken in found.items():
                    taken += await asyncio.to_thread(asyncio.run, ask(url, seconds / ROUNDS, count))
            for count, taken in found.items():
                shown(f"calls, {count} viewers", taken)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the web page costs.")
    parser.add_argument("--calls", type=int, default=500_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    stated = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        upgrade_s = fill(path, stated.calls)
        print(f"{stated.calls:,} calls, {path.stat().st_size / 1e6:.0f} MB; upgrade from version 2: {upgrade_s:.1f} s")
        asyncio.run(measure(path, stated.seconds))


if __name__ == "__main__":
    main()
