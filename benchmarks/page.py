"""What the web page costs, with a ledger of half a million calls.

    python -m benchmarks.page [--calls 500000] [--seconds 40]

Writes a ledger of a week, measures how long the page takes in its thread and how long the upgrade
of an older ledger takes, and then calls a gateway over loopback without viewers, with one and with
eight, in turn, to compare the latency of the calls. Gateway, lab, viewers and clients are processes
of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import httpx

from gateway.config.load import Config, load
from gateway.inbound.page import VIEWERS_MAX
from gateway.observe.ledger import Ledger
from gateway.observe.ledger_glance import Asked
from gateway.observe.ledger_schema import INSERT
from gateway.page.render import page
from gateway.reports.history import ReadSums, sums
from gateway.reports.overview import overview
from gateway.reports.status import AgentState, ModelState, Status

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
PORT, LAB_PORT = 18996, 18997
URL: Final = f"http://127.0.0.1:{PORT}"
ROUNDS: Final = 8
CLIENTS: Final = 4


def fill(path: Path, calls: int) -> float:
    """Writes a ledger as a gateway would have, and returns the seconds that its sums take at
    once."""
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
                *(
                    f"req_{number}",
                    now - WEEK_S * (1 - number / calls),
                    chance.choice(AGENTS),
                    "bench",
                ),
                *(
                    name,
                    *MODELS[name],
                    status,
                    1,
                    4.2,
                    chance.random(),
                    size,
                    900,
                    size // 2,
                    0,
                    0,
                    0,
                    None,
                ),
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


def configuration(ledger: Path, lab: str) -> str:
    """A gateway whose models the lab plays."""
    paths = {"anthropic": "anthropic", "openai": "openai/v1"}
    text = f"[server]\nport = {PORT}\n[log]\nlevel = 'error'\n[ledger]\npath = '{ledger}'\n"
    for name, (provider, id_) in MODELS.items():
        url = f"{lab}/{paths[provider]}"
        text += f"[models.{name}]\nprovider = '{provider}'\nmodel = '{id_}'\nbaseUrl = '{url}'\n"
    return text + "".join(f"[agents.{name}]\nmodels = ['sonnet', 'gpt']\n" for name in AGENTS)


def in_thread(config: Config, path: Path, asked: Asked, read_sums: ReadSums = sums) -> list[float]:
    """Processor milliseconds of one page, again and again."""
    chain = [ModelState(name, *MODELS[name], "closed", 0.0, None) for name in ("sonnet", "gpt")]
    agents = [AgentState(name, chain) for name in AGENTS]
    status = Status("serving", "1", 9.0, in_flight=0, waiting=0, agents=agents)
    taken = []
    for _ in range(40):
        began = time.thread_time()
        found = overview(status, path, config.models, asked, now=time.time(), read_sums=read_sums)
        page(found, URL, is_signed_in=False)
        taken.append((time.thread_time() - began) * 1000)
    return taken


async def view() -> None:
    """One browser, which asks for the page of its own agent every two seconds, as the page does."""

    async def one(number: int) -> None:
        async with httpx.AsyncClient(headers={"accept": "text/html"}) as client:
            await asyncio.sleep(number / 4)
            while True:
                answer = await client.get(f"{URL}/?agent=agent-{number}")
                assert answer.status_code == 200, answer.text
                await asyncio.sleep(2.0)

    await asyncio.gather(*(one(number) for number in range(int(sys.argv[2]))))


async def latencies(seconds: float) -> list[float]:
    """Milliseconds of calls by a few clients at a time."""
    until = time.perf_counter() + seconds
    taken: list[float] = []
    body = {"model": "agent-0", "messages": [{"role": "user", "content": "Hello"}]}

    async def calls() -> None:
        async with httpx.AsyncClient() as client:
            while time.perf_counter() < until:
                began = time.perf_counter()
                answer = await client.post(f"{URL}/v1/chat/completions", json=body)
                assert answer.status_code == 200, answer.text
                taken.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(0.01)

    await asyncio.gather(*(calls() for _ in range(CLIENTS)))
    return taken


def shown(name: str, taken: list[float]) -> None:
    marks = statistics.quantiles(taken, n=100)
    print(
        f"{name:<34} p50 {marks[49]:6.2f} ms  p95 {marks[94]:6.2f} ms  p99 {marks[98]:6.2f} ms  "
        f"of {len(taken)}"
    )


@contextmanager
def running(*command: str) -> Iterator[None]:
    """A process of its own, for as long as the context lasts."""
    process = subprocess.Popen(
        [sys.executable, *command], stderr=subprocess.DEVNULL, env={**os.environ, **KEYS}
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing answers at {url}")


def measure(folder: Path, path: Path, seconds: float) -> None:
    (folder / "config.toml").write_text(configuration(path, f"http://127.0.0.1:{LAB_PORT}"))
    config = load(folder / "config.toml", KEYS, folder)
    first, *others = in_thread(config, path, Asked())
    print(
        f"the first page of a process: {first:.0f} ms of its thread, {others[0]:.0f} ms the "
        f"second one"
    )
    shown("page, thread time", others)
    shown("page of one agent, thread time", in_thread(config, path, Asked("agent-3")))
    known = sums(path, config.models, time.time())
    shown("page, sums known, thread time", in_thread(config, path, Asked(), lambda *_: known))
    serve = ("-m", "gateway", "serve", "--config", str(folder / "config.toml"))
    with running("-m", "gateway", "lab", "--port", f"{LAB_PORT}"), running(*serve):
        wait_for(f"{URL}/livez")
        httpx.get(URL, headers={"accept": "text/html"}, timeout=30)
        found: dict[int, list[float]] = {0: [], 1: [], VIEWERS_MAX: []}
        for _ in range(ROUNDS):
            for count, taken in found.items():
                with running("-m", "benchmarks.page", "--view", f"{count}"):
                    taken += asyncio.run(latencies(seconds / ROUNDS))
        for count, taken in found.items():
            shown(f"calls, {count} viewers", taken)


def main() -> None:
    if sys.argv[1:2] == ["--view"]:
        asyncio.run(view())
        return
    parser = argparse.ArgumentParser(description="What the web page costs.")
    parser.add_argument("--calls", type=int, default=500_000)
    parser.add_argument(
        "--seconds", type=float, default=40.0, help="of calls, for each number of viewers"
    )
    stated = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        upgrade_s = fill(path, stated.calls)
        print(
            f"{stated.calls:,} calls, {path.stat().st_size / 1e6:.0f} MB; upgrade from version "
            f"2: {upgrade_s:.1f} s"
        )
        measure(Path(folder), path, stated.seconds)


if __name__ == "__main__":
    main()
