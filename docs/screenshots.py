"""Takes the pictures of the web page that the documents show.

    python -m docs.screenshots [--out FOLDER] [--all]

Starts the fault lab and a gateway, lets clients call it, and photographs the page with headless
Chromium (`chromium` and `chromium-driver`). `--all` takes every scene at every width, in light and
dark, for looking at a change of the design.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from gateway.app import App
from gateway.config import schema
from gateway.config.load import Config, build
from gateway.failures import Failure, Kind
from gateway.lab import Lab
from gateway.observe.ledger import Ledger
from gateway.process import server
from gateway.types import Attempt, Call, Client, Request, Usage

FOLDER: Final = Path(__file__).parent
KEYS: Final = {f"{name}_API_KEY": "lab" for name in ("ANTHROPIC", "OPENAI", "GEMINI", "MISTRAL")}
MODELS: Final = {
    "sonnet": ("anthropic", "claude-sonnet-5"),
    "haiku": ("anthropic", "claude-haiku-4-5"),
    "gpt": ("openai", "gpt-5.5"),
    "flash": ("google", "gemini-3.5-flash"),
    "large": ("mistral", "mistral-large-latest"),
    "local": ("custom", "qwen3:32b"),
}
AGENTS: Final = {
    "dev": ["sonnet", "gpt", "local"],
    "reviewer": ["gpt", "sonnet"],
    "batch": ["flash", "large", "local"],
    "titles": ["haiku", "flash"],
}
CHANCE: Final = random.Random(7)  # noqa: S311 -- the same pictures every time


class Shot(NamedTuple):
    """One picture."""

    name: str
    scene: str
    width: int
    height: int
    is_dark: bool
    address: str = "/"


SHOTS: Final = (
    Shot("page-light", "busy", 1280, 1010, is_dark=False),
    Shot("page-dark", "timeline", 1280, 1010, is_dark=True),
    Shot("page-narrow", "cooling", 390, 844, is_dark=False),
)


def every_shot() -> list[Shot]:
    """Every scene at two widths, in light and dark."""
    return [
        Shot(f"{scene}-{width}-{'dark' if is_dark else 'light'}", scene, width, 0, is_dark)
        for scene in SCENES
        for width in (1440, 390)
        for is_dark in (False, True)
    ]


# --- a gateway with calls -------------------------------------------------------------------------


class Stage:
    """A gateway on a loop of its own thread, and the lab behind it."""

    def __init__(self, folder: Path, *, has_past: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.delay_s = 0.02
        self.lab = Lab(delay=self._delay)
        self.path = folder / "ledger.db"
        self.has_past = has_past
        self.url = ""
        self.config: Config
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def _delay(self, _: int) -> None:
        await asyncio.sleep(self.delay_s * CHANCE.uniform(0.3, 2.0))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """The lab and the gateway."""
        async with self.lab:
            self.config = build(_root(self.lab), None, {}, None, [])
            if self.has_past:
                _write_past(self.path, self.config)
            ledger = Ledger(self.path, 90)
            ledger.start()
            app = App(self.config, env=KEYS, home=self.path.parent, ledger=ledger)
            async with server.running(app, server.listen("127.0.0.1", 0)) as self.url:
                yield

    async def call(self, agent: str, text: str = "Hello", *, stream: bool = True) -> None:
        """One call, read to its end."""
        body = {"model": agent, "stream": stream, "messages": [{"role": "user", "content": text}]}
        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream("POST", f"{self.url}/v1/chat/completions", json=body) as response,
        ):
            async for _ in response.aiter_raw():
                pass


def _root(lab: Lab) -> schema.Root:
    models = {
        name: schema.Model(
            provider=provider, model=id_, base_url=lab.base_url(provider), max_output_tokens=4096
        )
        for name, (provider, id_) in MODELS.items()
    }
    models["local"] = schema.Model(
        provider="custom",
        model="qwen3:32b",
        base_url=lab.base_url("custom"),
        price=schema.Price(input=0.0, output=0.0),
        max_concurrent=2,
    )
    agents = {name: schema.Agent(models=chain) for name, chain in AGENTS.items()}
    return schema.Root(models=models, agents=agents, fallback=schema.Fallback(max_wait_seconds=30))


def _write_past(path: Path, config: Config) -> None:
    """A week of calls, as they would have been recorded."""
    now = time.time()
    for back in range(6, -1, -1):
        at = now - back * 86_400 - 400
        ledger = Ledger(path, 90, lambda at=at: at)  # type: ignore[misc]
        ledger.start()
        for number in range(CHANCE.randrange(40, 130) if back else 60):
            call = _past_call(config, f"req_{back}{number:04d}")
            ledger.record(call, 200 if call.served else 502, CHANCE.uniform(1.2, 14))
        ledger.close()


def _past_call(config: Config, id_: str) -> Call:
    agent = CHANCE.choice([config.agents["dev"], *config.agents.values()])
    call = Call(id_, agent, Client("laptop"), Request({}), stream=True, received_at=0.0)
    if CHANCE.random() < 0.1:
        failure = Failure(Kind.RATE_LIMIT, "slow down", status=429)
        call.attempts.append(
            Attempt(agent.models[0], 1, ended_at=0.3, failure=failure, cooldown_s=30)
        )
    model = agent.models[min(len(call.attempts), len(agent.models) - 1)]
    first_s = CHANCE.lognormvariate(-0.4, 0.5)
    attempt = Attempt(model, len(call.attempts) + 1, 0.4, committed_at=first_s + 0.4, ended_at=9.0)
    size = CHANCE.randrange(4_000, 60_000)
    attempt.usage = Usage(size, CHANCE.randrange(200, 3_000), int(size * CHANCE.uniform(0.3, 0.9)))
    attempt.finish_reason = "stop"
    call.attempts.append(attempt)
    return call


# --- scenes ---------------------------------------------------------------------------------------


def _empty(stage: Stage) -> None:
    pass


def _busy(stage: Stage) -> None:
    """Calls that have ended, one model that cools down, and some calls under way."""
    _fail_some(stage)
    stage.delay_s = 1.0
    for agent in ("dev", "dev", "batch", "reviewer", "titles"):
        asyncio.run_coroutine_threadsafe(stage.call(agent, "A long answer"), stage.loop)
    time.sleep(2.2)


def _fail_some(stage: Stage) -> None:
    for agent in ("dev", "batch", "reviewer", "titles", "dev"):
        stage.run(stage.call(agent))
    stage.lab.fault("anthropic", "rate_limit_bare")
    stage.run(stage.call("dev"))
    stage.lab.fault("anthropic", "ok")
    stage.lab.fault("mistral", "clean_cut")
    stage.run(stage.call("large"))
    stage.lab.fault("mistral", "ok")


def _cooling(stage: Stage) -> None:
    """Every model of most chains cools down, and one key is refused."""
    stage.run(stage.call("batch"))
    for provider, fault in (
        ("anthropic", "rate_limit_bare"),
        ("openai", "bad_key"),
        ("google", "rate_limit_google"),
        ("mistral", "overloaded"),
        ("custom", "no_such_model"),
    ):
        stage.lab.fault(provider, fault)
    for agent in AGENTS:
        asyncio.run_coroutine_threadsafe(stage.call(agent), stage.loop)
    time.sleep(2.0)


SCENES: Final[dict[str, Callable[[Stage], None]]] = {
    "empty": _empty,
    "busy": _busy,
    "timeline": _busy,
    "cooling": _cooling,
}


@contextmanager
def scene(name: str) -> Iterator[Stage]:
    """A gateway in this state."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), has_past=name != "empty")
        serving = stage.serving()
        stage.run(serving.__aenter__())
        try:
            SCENES[name](stage)
            time.sleep(1.2)  # until the ledger has written the last calls
            yield stage
        finally:
            stage.delay_s = 0.0
            stage.run(serving.__aexit__(None, None, None))


# --- pictures -------------------------------------------------------------------------------------


def browser() -> Any:
    """Headless Chromium that asks nobody but the gateway."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = _found("chromium")
    for flag in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--hide-scrollbars", "--force-color-profile=srgb"),
    ):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(_found("chromedriver")))


def _found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise SystemExit("needs chromium and chromium-driver")
    return path


def take(driver: Any, stage: Stage, shot: Shot, folder: Path) -> None:
    """One picture. A height of 0 means the whole page."""
    scheme = "dark" if shot.is_dark else "light"
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": shot.width, "height": shot.height or 900, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": 1})
    driver.get(stage.url + shot.address)
    if shot.scene == "timeline":
        driver.execute_script(
            "document.querySelector('.calls .badge.warn').closest('tr').querySelector('a').click()"
        )
        time.sleep(1.5)
        driver.execute_script("document.getElementById('under-way').scrollIntoView()")
    picture = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": shot.height == 0}
    )
    path = folder / f"{shot.name}.png"
    path.write_bytes(base64.b64decode(picture["data"]))
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes the pictures of the web page.")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--all", action="store_true", help="every scene, width and scheme")
    parser.add_argument("--scene", action="append", help="only this scene; repeatable")
    stated = parser.parse_args()
    stated.out.mkdir(parents=True, exist_ok=True)
    shots = every_shot() if stated.all else list(SHOTS)
    driver = browser()
    try:
        for name in SCENES:
            mine = [
                shot for shot in shots if shot.scene == name and name in (stated.scene or SCENES)
            ]
            if not mine:
                continue
            with scene(name) as stage:
                for shot in mine:
                    take(driver, stage, shot, stated.out)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
