"""The drill: an agent's real chain against every fault of the lab, over real sockets, and an honest
verdict for each.

Each model is pointed at the lab in its own dialect; the first one of the chain has the fault, the
others are well. Keys are not used and nothing leaves this host. Waits are shortened (`TIMEOUTS`),
so that silence is noticed in a second.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, NamedTuple

import httpx
import msgspec

from gateway.app import App
from gateway.config.load import Config
from gateway.drill.apis import APIS, Api
from gateway.failures import Failure, Kind
from gateway.lab import FAULTS, Fault, Lab
from gateway.lab.answers import WORDS
from gateway.lab.faults import CONNECTION_FAULTS
from gateway.process.server import listen, running
from gateway.providers import PROVIDERS
from gateway.types import Agent, Model, Timeouts

Word = Literal["pass", "safe", "fail"]

TEXT: Final = " ".join(WORDS)
"""The lab's answer to a question that asks for nothing."""
TIMEOUTS: Final = Timeouts(
    connect_s=1.0, first_token_s=1.0, answer_s=1.0, idle_s=1.0, write_s=1.0, heartbeat_s=0.5
)
PATIENT: Final = Timeouts(
    connect_s=10.0, first_token_s=10.0, answer_s=10.0, idle_s=10.0, heartbeat_s=0.5
)
"""For models that are well: a busy host is not their fault."""
CALLS_MAX: Final = 1000
"""Instead of the configured limits: a herd must reach the breaker, not them."""
SLACK_S: Final = 1.0
"""Beyond the time that the fault itself forces, an answer is not fast any more."""
LIMIT_S: Final = 20.0
"""A call that takes longer hangs."""

_FORCED_S: Final[Mapping[str, float]] = {
    "silent": 1.0, "slow_first_token": 1.0, "comment_flood": 1.0, "stall": 1.0, "dns": 1.0,
}  # fmt: skip
"""Faults that can only be noticed by waiting; all of them are played at once."""
TOOLS: Final = ("first_tool", "second_tool", "third_tool")
"""The tools that a fault of tool calls has to call, all in one answer."""
CALLS: Final = tuple((name, '{"city":"Oslo"}') for name in TOOLS)
"""The calls that the lab then makes: names and arguments."""
_OF_TOOLS: Final = ("late_name",)
_SCRIPTED: Final = ("server_error", "flap")
"""Faults with a memory: the lab plays them by script, not by path."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one call under one fault."""

    fault: str
    stream: bool
    verdict: Word
    seconds: float
    saw: str
    """The client's view, in a few words."""
    api: str = "chat"
    """The API that the client spoke."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer as the client got it."""

    status: int
    text: str
    finish: str | None
    error: dict[str, Any] | None
    events_after_end: bool
    done: bool
    """The last event of a whole answer has come, as the client's API has it."""
    attempts: str
    calls: tuple[tuple[str, str], ...] = ()
    """(name of a tool, arguments)."""


Observe = Callable[[str], None]


class _Stage(NamedTuple):
    """The gateway under the drill, and the API of the client."""

    config: Config
    agent: Agent
    lab: Lab
    api: Api


Crowd = Callable[[_Stage], Awaitable[Result]]


async def drill(
    config: Config, agent: Agent, begin: Observe = lambda name: None, api: Api = APIS["chat"]
) -> list[Result]:
    """Every fault, streamed and not, for a client of `api`. `begin` is called with each fault as it
    starts."""
    results: list[Result] = []
    async with Lab() as lab:
        stage = _Stage(config, _one_account_each(agent), lab, api)
        begin(", ".join(_FORCED_S))
        slow = await asyncio.gather(*(_each(name, stage) for name in _FORCED_S))
        waited = dict(zip(_FORCED_S, slow, strict=True))
        for name in _faults():
            begin(name)
            results += waited[name] if name in waited else await _each(name, stage)
        for name, play in _CROWDS.items():
            begin(name)
            results.append(await _crowd(name, play, stage))
    return [replace(result, api=api.name) for result in results]


def _one_account_each(agent: Agent) -> Agent:
    """The agent with the first account of each pool: the lab's faults concern a model, not an
    account."""
    first = {model.entry: model for model in reversed(agent.models)}
    return replace(
        agent, models=tuple(model for model in agent.models if first[model.entry] is model)
    )


def _faults() -> tuple[str, ...]:
    return (*FAULTS, *CONNECTION_FAULTS, "tls")


# --- one call under one fault ---------------------------------------------------------------------


async def _each(name: str, stage: _Stage) -> list[Result]:
    """One fault, streamed and, where that makes sense, not."""
    fault = FAULTS.get(name) or Fault("no connection", "fallback")
    forms = (True,) if fault.needs_stream else (True, False)
    return [await _one(name, fault, stage, stream=stream) for stream in forms]


async def _one(name: str, fault: Fault, stage: _Stage, *, stream: bool) -> Result:
    agent = stage.agent
    async with _served(_aimed(stage, name)) as (_, url):
        if name in _SCRIPTED:
            stage.lab.fault(agent.models[0].model_id, name)
        started = time.monotonic()
        try:
            tools = TOOLS if name in _OF_TOOLS else ()
            asked = _ask(url, stage.api, agent.name, stream=stream, tools=tools)
            seen = await asyncio.wait_for(asked, LIMIT_S)
        except TimeoutError:
            return Result(name, stream, "fail", LIMIT_S, "a hang")
        except httpx.HTTPError as error:
            return Result(
                name, stream, "fail", time.monotonic() - started, f"{type(error).__name__}: {error}"
            )
        seconds = time.monotonic() - started
    verdict, saw = judge(name, fault, seen, seconds, stream=stream, alone=len(agent.models) == 1)
    return Result(name, stream, verdict, seconds, saw)


def judge(
    name: str, fault: Fault, seen: Seen, seconds: float, *, stream: bool, alone: bool = False
) -> tuple[Word, str]:
    """(the verdict, what the client saw). `alone` says that there is no next model to go to."""
    flaw = _flaw(name, seen, stream=stream)
    if flaw:
        return "fail", flaw
    if seen.error is not None:
        return _of_an_error(fault, seen, stream=stream, alone=alone)
    if seconds > _FORCED_S.get(name, 0.0) + SLACK_S:
        return "safe", f"the whole answer, but only after {seconds:.1f} s ({seen.attempts})"
    return "pass", f"the whole answer ({seen.attempts})"


def _flaw(name: str, seen: Seen, *, stream: bool) -> str:
    """The first error in an answer, or ""."""
    if seen.events_after_end:
        return "events after the end of the stream"
    if seen.error is not None and seen.done:
        return "an error, and the end of a whole answer after it"
    if seen.error is not None:
        return "" if TEXT.startswith(seen.text) else "text that the provider did not send"
    if stream and not seen.done and name != "content_filter":
        return "a stream without its last event and without an error"
    return _flaw_of_whole_answer(name, seen)


def _flaw_of_whole_answer(name: str, seen: Seen) -> str:
    if name == "content_filter":
        return "" if seen.finish == "content_filter" else f"a refusal shown as {seen.finish!r}"
    if seen.finish is None:
        return "an answer without a finish reason"
    if name == "cut_tool_call" and seen.finish == "tool_calls":
        return "half a tool call shown as a whole one"
    if name in _OF_TOOLS:
        is_whole = (seen.calls, seen.finish) == (CALLS, "tool_calls")
        return "" if is_whole else "tool calls that are not those of the model"
    return "" if seen.text == TEXT else "half an answer shown as a whole one"


def _of_an_error(fault: Fault, seen: Seen, *, stream: bool, alone: bool) -> tuple[Word, str]:
    assert seen.error is not None
    words = f"{seen.status}, {seen.error.get('code') or seen.error.get('type')}"
    if fault.outcome == "error":
        if seen.status in (400, 413):
            return "pass", f"its own error: {words}"
        return "fail", f"not its own: {words}"
    if fault.outcome == "truth" and stream:
        return "safe", "what had come, then one typed error: it cannot be taken back"
    if alone:
        return "safe", f"an error, as there is no other model: {words}"
    return "fail", f"an error although another model was well: {words}"


# --- many calls at once ---------------------------------------------------------------------------


async def _crowd(name: str, play: Crowd, stage: _Stage) -> Result:
    started = time.monotonic()
    try:
        return await play(stage)
    except (TimeoutError, httpx.HTTPError) as error:
        return Result(
            name, False, "fail", time.monotonic() - started, f"{type(error).__name__}: {error}"
        )


async def _all_down(stage: _Stage) -> Result:
    async with _served(_aimed(stage, "rate_limit", everywhere=True)) as (_, url):
        started = time.monotonic()
        seen = await asyncio.wait_for(_ask(url, stage.api, stage.agent.name, stream=False), LIMIT_S)
        seconds = time.monotonic() - started
    is_refused = seen.status == 429 and seen.error is not None
    verdict: Word = "safe" if is_refused else "fail"
    return Result("all_down", False, verdict, seconds, f"{seen.status} ({seen.attempts})")


async def _herd(stage: _Stage) -> Result:
    """A hundred calls as the first model's cooldown ends: one goes there, the others to the
    next."""
    agent, lab = stage.agent, stage.lab
    async with _served(_aimed(stage, "silent")) as (app, url):
        first = app.gateway.agents[agent.name].models[0]
        _cool_down(app, first)
        before = len(lab.calls)
        started = time.monotonic()
        answers = await asyncio.gather(
            *(_ask(url, stage.api, agent.name, stream=False) for _ in range(100))
        )
        seconds = time.monotonic() - started
        probes = sum(seen.fault == "silent" for seen in lab.calls[before:])
    full = sum(seen.text == TEXT for seen in answers)
    alone = len(agent.models) == 1
    verdict: Word = (
        "pass" if (full == 100 and probes == 1) else "safe" if alone and probes <= 4 else "fail"
    )
    return Result(
        "thundering_herd",
        False,
        verdict,
        seconds,
        f"{full} of 100 answered, {probes} tried the first model",
    )


def _cool_down(app: App, model: Model) -> None:
    """Sets a cooldown that ends now: the next call is its probe."""
    app.breaker.cool_down(model, 0.0, Failure(Kind.OVERLOADED, "the drill"))


async def _client_disconnects(stage: _Stage) -> Result:
    """The client goes away in the middle of a stream: the gateway must close the provider's
    connection at once."""
    lab, api = stage.lab, stage.api
    async with _served(_aimed(stage, "stall")) as (app, url):
        left = lab.clients_left
        async with (
            _client() as client,
            client.stream(
                "POST", url + api.path, json=api.ask(stage.agent.name, stream=True)
            ) as response,
        ):
            async for line in response.aiter_lines():
                if api.content in line.encode():
                    break
        started = time.monotonic()
        limit = started + LIMIT_S
        while (lab.clients_left == left or app.endpoint.calls) and time.monotonic() < limit:
            await asyncio.sleep(0.005)
        seconds = time.monotonic() - started
    verdict: Word = "pass" if seconds < 0.5 else "fail"
    return Result(
        "client_leaves",
        True,
        verdict,
        seconds,
        f"the provider was left after {seconds * 1000:.0f} ms",
    )


_CROWDS: Final[Mapping[str, Crowd]] = {
    "all_down": _all_down,
    "thundering_herd": _herd,
    "client_leaves": _client_disconnects,
}


# --- the stage ------------------------------------------------------------------------------------


def _aimed(stage: _Stage, fault: str, *, everywhere: bool = False) -> Config:
    """The configuration with the agent's chain pointed at the lab; the first model has the
    fault."""
    config, agent, lab, _ = stage
    models = [
        _at_the_lab(model, lab, fault if everywhere or number == 0 else "ok")
        for number, model in enumerate(agent.models)
    ]
    chain = replace(agent, models=tuple(models))
    fallback = msgspec.structs.replace(config.fallback, max_wait_seconds=0.0)
    server = msgspec.structs.replace(config.server, max_calls=CALLS_MAX)
    return replace(config, agents={agent.name: chain}, models={}, fallback=fallback, server=server)


def _at_the_lab(model: Model, lab: Lab, fault: str) -> Model:
    provider = model.provider.name
    origin, _, path = lab.base_url(provider).partition("://")[2].partition("/")
    url = f"http://{origin}/{path}"
    if fault in CONNECTION_FAULTS:
        url = CONNECTION_FAULTS[fault] + "/" + path
    elif fault == "tls":
        url = f"https://{origin}/{path}"
    elif fault != "ok" and fault not in _SCRIPTED:
        url = f"http://{origin}/fault/{fault}/{path}"
    return replace(
        model,
        base_url=url,
        auth_type="api_key",
        credential=f"{model.provider.credential}:default",
        headers={},
        proxy=None,
        max_concurrent=None,
        timeouts=PATIENT if fault == "ok" else TIMEOUTS,
    )


@asynccontextmanager
async def _served(config: Config) -> AsyncIterator[tuple[App, str]]:
    """A gateway of its own for one fault, so that no breaker remembers the last one; it knows no
    real key."""
    keys = {name: "drill" for provider in PROVIDERS.values() for name in provider.env}
    with TemporaryDirectory() as home:
        app = App(config, env=keys, home=Path(home))
        async with running(app, listen("127.0.0.1", 0)) as url:
            yield app, url


def _client() -> httpx.AsyncClient:
    """It speaks with loopback alone; to load the system's certificates would take longer than a
    call."""
    return httpx.AsyncClient(timeout=LIMIT_S, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


async def _ask(url: str, api: Api, agent: str, *, stream: bool, tools: Sequence[str] = ()) -> Seen:
    async with _client() as client:
        response = await client.post(
            url + api.path, json=api.ask(agent, stream=stream, tools=tools)
        )
    streamed = response.headers["content-type"].startswith("text/event-stream")
    said = api.of_stream(response.content) if streamed else api.of_body(response.json())
    return Seen(
        response.status_code,
        said.text,
        said.finish,
        said.error,
        said.events_after_end,
        said.done,
        response.headers.get("x-gateway-attempts", ""),
        tuple((name, arguments) for name, arguments in said.calls),
    )
