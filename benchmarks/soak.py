"""A soak: hundreds of mixed calls at once, with faults, for minutes; are memory, sockets or calls
left over?

    python -m benchmarks.soak [--minutes 10] [--streams 500]

The gateway and the lab run as processes of their own; a JSON line is printed at the start, every 30
s, at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

FAULTS = ("ok", "ok", "ok", "ok", "rate_limit", "overloaded", "cut", "clean_cut", "stall",
          "error_after_role", "empty",
          "bad_chunk", "reset", "not_json", "silent", "pings", "split_utf8", "content_filter")  # fmt: skip
PROVIDERS = {
    "anthropic": "claude-sonnet-5",
    "google": "gemini-3.5-flash",
    "openai": "gpt-4o",
    "mistral": "mistral-large",
}
LAB_PORT, PORT = 18990, 18991


def configuration() -> str:
    paths = {
        "anthropic": "anthropic",
        "google": "google/v1beta",
        "openai": "openai/v1",
        "mistral": "mistral/v1",
    }
    lines = [
        f"[server]\nport = {PORT}\nmaxCalls = 4000\n[log]\nlevel = 'error'\n",
        "[timeouts]\nfirstTokenSeconds = 2\nidleSeconds = 2\nanswerSeconds = 3\n",
        "[fallback]\nmaxWaitSeconds = 1\n[breaker]\ncooldownSeconds = 1\ncooldownMaxSeconds = 1\n",
    ]
    for provider, id_ in PROVIDERS.items():
        for fault in dict.fromkeys(FAULTS):
            url = f"http://127.0.0.1:{LAB_PORT}/fault/{fault}/{paths[provider]}"
            lines.append(
                f"[models.{provider}-{fault}]\nprovider = '{provider}'\nmodel = '{id_}'\nbaseUrl "
                f"= '{url}'\n"
            )
            lines.append(
                f"[agents.{provider}-{fault}-then-ok]\nmodels = ['{provider}-{fault}', "
                f"'openai-ok', 'google-ok']\n"
            )
    return "".join(lines)


def facts(pid: int) -> dict[str, Any]:
    status = Path(f"/proc/{pid}/status").read_text()
    rss_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "rss_mb": round(rss_kb / 1024, 1),
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
    }


async def one(client: httpx.AsyncClient, chance: random.Random, seen: Counter[str]) -> None:
    agent = f"{chance.choice(list(PROVIDERS))}-{chance.choice(FAULTS)}-then-ok"
    stream = chance.random() < 0.8
    body = {"model": agent, "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    leaves = chance.random() < 0.05
    try:
        async with client.stream(
            "POST", f"http://127.0.0.1:{PORT}/v1/chat/completions", json=body
        ) as response:
            last = ""
            async for line in response.aiter_lines():
                if leaves and stream:
                    seen["left"] += 1
                    return
                last = line or last
        if not stream or response.status_code != 200:
            seen[str(response.status_code)] += 1
        elif last == "data: [DONE]":
            seen["done"] += 1
        else:
            seen["told" if '"error"' in last else "LIE"] += 1
    except httpx.HTTPError as error:
        seen[f"TRANSPORT {type(error).__name__}"] += 1


async def soak(minutes: float, streams: int, pid: int) -> None:
    seen: Counter[str] = Counter()
    until = time.monotonic() + minutes * 60
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=streams)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:

        async def caller(number: int) -> None:
            chance = random.Random(number)
            while time.monotonic() < until:
                await one(client, chance, seen)

        async def reporter() -> None:
            while time.monotonic() < until:
                await asyncio.sleep(30)
                print(json.dumps({"calls": seen.total(), **facts(pid)}), flush=True)

        print(json.dumps({"begin": facts(pid)}), flush=True)
        await asyncio.gather(reporter(), *(caller(number) for number in range(streams)))
    await asyncio.sleep(3)
    async with httpx.AsyncClient(trust_env=False) as client:
        status = (await client.get(f"http://127.0.0.1:{PORT}/status")).json()
    left = {key: status[key] for key in ("in_flight", "waiting")}
    print(
        json.dumps({"end": facts(pid), "left": left, "seen": dict(seen), "calls": seen.total()}),
        flush=True,
    )


async def main(minutes: float, streams: int) -> None:
    keys = dict.fromkeys(
        ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "MISTRAL_API_KEY"), "soak"
    )
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text(configuration())
        env = {**os.environ, **keys, "HOME": folder}
        lab = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            "lab",
            "--port",
            str(LAB_PORT),
            env=env,
            stderr=asyncio.subprocess.DEVNULL,
        )
        gateway = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--config",
            str(config),
            env=env,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await ready()
            await soak(minutes, streams, gateway.pid)
        finally:
            for process in (gateway, lab):
                process.terminate()
                await process.wait()


async def ready() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(100):
            try:
                if (await client.get(f"http://127.0.0.1:{PORT}/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit("the gateway does not become ready")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=500)
    options = parser.parse_args()
    asyncio.run(main(options.minutes, options.streams))
