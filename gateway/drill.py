"""The drill: an agent's real chain against every fault of the lab, over real sockets, and an honest verdict for each.

Each model is pointed at the lab in its own dialect; the first one of the chain has the fault, the others are well. Keys
are not used and nothing leaves this host. Waits are shortened (`TIMEOUTS`), so that silence is noticed in a second.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import httpx
import msgspec
import orjson

from gateway import sse
from gateway.app import App
from gateway.config.load import Config
from gateway.failures import Failure, Kind
from gateway.lab import FAULTS, Fault, Lab
from gateway.lab.answers import WORDS
from gateway.lab.faults import CONNECTION_FAULTS
from gateway.process.server import listen, running
from gateway.providers import PROVIDERS
from gateway.types import Agent, Model, Timeouts

Word = Literal["pass", "safe", "fail"]

TEXT: Final = " ".join(WORDS)
"""What the lab answers to a question that asks for nothing."""
TIMEOUTS: Final = Timeouts(connect_s=1.0, first_token_s=1.0, answer_s=1.0, idle_s=1.0, write_s=1.0, heartbeat_s=0.5)
CALLS_MAX: Final = 1000
"""Instead of the configured limits: a herd shall meet the breaker, not them."""
SLACK_S: Final = 1.0
"""Beyond the time that the fault itself forces, an answer is not fast any more."""
LIMIT_S: Final = 20.0
"""A call that takes longer hangs."""

_FORCED_S: Final[Mapping[str, float]] = {
    "silent": 1.0, "slow_first_token": 1.0, "comment_flood": 1.0, "stall": 1.0, "dns": 1.0,
}  # fmt: skip
"""Faults that can only be noticed by waiting; all of them are played at once."""
TOOLS: Final = ("first_tool", "second_tool", "third_tool")
"""What a fault of tool calls is asked to call, all in one answer."""
CALLS: Final = tuple((name, '{"city":"Oslo"}') for name in TOOLS)
"""What the lab then calls, and with what."""
_OF_TOOLS: Final = ("late_name",)
_SCRIPTED: Final = ("server_error", "flap")
"""Faults with a memory: the lab plays them by script, not by path."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one call under one fault."""

    fault: str
    stream: bool
    verdict: Word
    seconds: float
    saw: str
    """What the client saw, in a few words."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer as the client got it."""

    status: int
    text: str
    finish: str | None
    error: dict[str, Any] | None
    events_after_end: bool
    done: bool
    attempts: str
    calls: tuple[tuple[str, str], ...] = ()
    """(name of a tool, arguments)."""


Observe = Callable[[str], None]
Crowd = Callable[[Config, Agent, Lab], Awaitable[Result]]


async def drill(config: Config, agent: Agent, begin: Observe = lambda name: None) -> list[Result]:
    """Every fault, streamed and not. `begin` hears of each fault as it starts."""
    results: list[Result] = []
    async with Lab() as lab:
        begin(", ".join(_FORCED_S))
        slow = await asyncio.gather(*(_each(name, config, agent, lab) for name in _FORCED_S))
        waited = dict(zip(_FORCED_S, slow, strict=True))
        for name in _faults():
            begin(name)
            results += waited[name] if name in waited else await _each(name, config, agent, lab)
        for name, play in _CROWDS.items():
            begin(name)
            results.append(await _crowd(name, play, config, agent, lab))
    return results


def _faults() -> tuple[str, ...]:
    return (*FAULTS, *CONNECTION_FAULTS, "tls")


# --- one call under one fault ----------------------------------------------------------------------------------------


async def _each(name: str, config: Config, agent: Agent, lab: Lab) -> list[Result]:
    """One fault, streamed and, where that makes sense, not."""
    fault = FAULTS.get(name) or Fault("no connection", "fallback")
    forms = (True,) if fault.needs_stream else (True, False)
    return [await _one(name, fault, config, agent, lab, stream=stream) for stream in forms]


async def _one(name: str, fault: Fault, config: Config, agent: Agent, lab: Lab, *, stream: bool) -> Result:
    async with _served(_aimed(config, agent, lab, name)) as (_, url):
        if name in _SCRIPTED:
            lab.fault(agent.models[0].model_id, name)
        started = time.monotonic()
        try:
            asked = _ask(url, agent.name, stream=stream, tools=TOOLS if name in _OF_TOOLS else ())
            seen = await asyncio.wait_for(asked, LIMIT_S)
        except TimeoutError:
            return Result(name, stream, "fail", LIMIT_S, "a hang")
        except httpx.HTTPError as error:
            return Result(name, stream, "fail", time.monotonic() - started, f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - started
    verdict, saw = judge(name, fault, seen, seconds, stream=stream, alone=len(agent.models) == 1)
    return Result(name, stream, verdict, seconds, saw)


def judge(
    name: str, fault: Fault, seen: Seen, seconds: float, *, stream: bool, alone: bool = False
) -> tuple[Word, str]:
    """(the verdict, what the client saw). `alone` says that there is no next model to go to."""
    lie = _lie(name, seen, stream=stream)
    if lie:
        return "fail", lie
    if seen.error is not None:
        return _of_an_error(fault, seen, stream=stream, alone=alone)
    if seconds > _FORCED_S.get(name, 0.0) + SLACK_S:
        return "safe", f"the whole answer, but only after {seconds:.1f} s ({seen.attempts})"
    return "pass", f"the whole answer ({seen.attempts})"


def _lie(name: str, seen: Seen, *, stream: bool) -> str:
    """What is untrue about an answer, if anything is."""
    if seen.events_after_end:
        return "events after the end of the stream"
    if seen.error is not None and seen.done:
        return "an error, and [DONE] after it"
    if seen.error is not None:
        return "" if TEXT.startswith(seen.text) else "text that nobody said"
    if name == "content_filter":
        return "" if seen.finish == "content_filter" else f"a refusal shown as {seen.finish!r}"
    if stream and not seen.done:
        return "a stream without [DONE] and without an error"
    if seen.finish is None:
        return "an answer without a finish reason"
    if name == "cut_tool_call" and seen.finish == "tool_calls":
        return "half a tool call shown as a whole one"
    if name in _OF_TOOLS:
        return (
            "" if (seen.calls, seen.finish) == (CALLS, "tool_calls") else "tool calls that are not those of the model"
        )
    return "" if seen.text == TEXT else "half an answer shown as a whole one"


def _of_an_error(fault: Fault, seen: Seen, *, stream: bool, alone: bool) -> tuple[Word, str]:
    assert seen.error is not None
    words = f"{seen.status}, {seen.error.get('code') or seen.error.get('type')}"
    if fault.outcome == "error":
        return ("pass", f"its own error: {words}") if seen.status in (400, 413) else ("fail", f"not its own: {words}")
    if fault.outcome == "truth" and stream:
        return "safe", "what had come, then one typed error: it cannot be taken back"
    if alone:
        return "safe", f"an error, as there is no other model: {words}"
    return "fail", f"an error although another model was well: {words}"


# --- many calls at once ----------------------------------------------------------------------------------------------


async def _crowd(name: str, play: Crowd, config: Config, agent: Agent, lab: Lab) -> Result:
    started = time.monotonic()
    try:
        return await play(config, agent, lab)
    except (TimeoutError, httpx.HTTPError) as error:
        return Result(name, False, "fail", time.monotonic() - started, f"{type(error).__name__}: {error}")


async def _all_down(config: Config, agent: Agent, lab: Lab) -> Result:
    async with _served(_aimed(config, agent, lab, "rate_limit", everywhere=True)) as (_, url):
        started = time.monotonic()
        seen = await asyncio.wait_for(_ask(url, agent.name, stream=False), LIMIT_S)
        seconds = time.monotonic() - started
    told = seen.status == 429 and seen.error is not None
    return Result("all_down", False, "safe" if told else "fail", seconds, f"{seen.status} ({seen.attempts})")


async def _herd(config: Config, agent: Agent, lab: Lab) -> Result:
    """A hundred calls as the first model's rest ends: one goes there, the others to the next."""
    async with _served(_aimed(config, agent, lab, "silent")) as (app, url):
        first = app.gateway.agents[agent.name].models[0]
        _let_it_rest(app, first)
        before = len(lab.calls)
        started = time.monotonic()
        answers = await asyncio.gather(*(_ask(url, agent.name, stream=False) for _ in range(100)))
        seconds = time.monotonic() - started
        probes = sum(seen.fault == "silent" for seen in lab.calls[before:])
    full = sum(seen.text == TEXT for seen in answers)
    alone = len(agent.models) == 1
    verdict: Word = "pass" if (full == 100 and probes == 1) else "safe" if alone and probes <= 4 else "fail"
    return Result("thundering_herd", False, verdict, seconds, f"{full} of 100 answered, {probes} tried the first model")


def _let_it_rest(app: App, model: Model) -> None:
    """Puts a model to rest until now: the next call is its probe."""
    app.breaker.cool_down(model, 0.0, Failure(Kind.OVERLOADED, "the drill"))


async def _leaves(config: Config, agent: Agent, lab: Lab) -> Result:
    """The client goes away in the middle of a stream: the provider must be told at once."""
    async with _served(_aimed(config, agent, lab, "stall")) as (app, url):
        left = lab.clients_left
        async with (
            _client() as client,
            client.stream("POST", f"{url}/v1/chat/completions", json=_body(agent.name, stream=True)) as response,
        ):
            async for line in response.aiter_lines():
                if '"content":' in line and "delta" in line:
                    break
        started = time.monotonic()
        while lab.clients_left == left and time.monotonic() < started + LIMIT_S:
            await asyncio.sleep(0.005)
        seconds = time.monotonic() - started
        tasks = len(app.endpoint.calls)
    verdict: Word = "pass" if seconds < 0.5 and not tasks else "fail"
    return Result("client_leaves", True, verdict, seconds, f"the provider was left after {seconds * 1000:.0f} ms")


_CROWDS: Final[Mapping[str, Crowd]] = {
    "all_down": _all_down,
    "thundering_herd": _herd,
    "client_leaves": _leaves,
}


# --- the stage -------------------------------------------------------------------------------------------------------


def _aimed(config: Config, agent: Agent, lab: Lab, fault: str, *, everywhere: bool = False) -> Config:
    """The configuration with the agent's chain pointed at the lab; the first model has the fault."""
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
        timeouts=TIMEOUTS,
    )


@asynccontextmanager
async def _served(config: Config) -> AsyncIterator[tuple[App, str]]:
    """A gateway of its own for one fault, so that no breaker remembers the last one; it knows no real key."""
    keys = {name: "drill" for provider in PROVIDERS.values() for name in provider.env}
    with TemporaryDirectory() as home:
        app = App(config, env=keys, home=Path(home))
        async with running(app, listen("127.0.0.1", 0)) as url:
            yield app, url


def _body(agent: str, *, stream: bool, tools: Sequence[str] = ()) -> dict[str, Any]:
    text = f"Use {', '.join(tools)}" if tools else "Hello"
    body = {"model": agent, "messages": [{"role": "user", "content": text}], "stream": stream}
    return body | {"tools": [_tool(name) for name in tools]} if tools else body


def _tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def _client() -> httpx.AsyncClient:
    """It speaks with loopback alone; to load the system's certificates would take longer than a call."""
    return httpx.AsyncClient(timeout=LIMIT_S, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


async def _ask(url: str, agent: str, *, stream: bool, tools: Sequence[str] = ()) -> Seen:
    async with _client() as client:
        response = await client.post(f"{url}/v1/chat/completions", json=_body(agent, stream=stream, tools=tools))
    attempts = response.headers.get("x-gateway-attempts", "")
    if response.headers["content-type"].startswith("text/event-stream"):
        return _of_events(response, attempts)
    body = response.json()
    if "error" in body:
        return Seen(response.status_code, "", None, body["error"], False, False, attempts)
    choice = body["choices"][0]
    return Seen(200, choice["message"]["content"] or "", choice["finish_reason"], None, False, False, attempts)


def _of_events(response: httpx.Response, attempts: str) -> Seen:
    text, finish, error, done, late = "", None, None, False, False
    calls: list[tuple[str, str]] = []
    for event in sse.Decoder().decode(response.content):
        if done or error:
            late = True
        if event.data == b"[DONE]":
            done = True
            continue
        body = orjson.loads(event.data)
        error = body.get("error") or error
        for choice in body.get("choices", ()):
            text += choice["delta"].get("content") or ""
            _add_calls(calls, choice["delta"].get("tool_calls") or ())
            finish = choice["finish_reason"] or finish
    return Seen(response.status_code, text, finish, error, late, done, attempts, tuple(calls))


def _add_calls(calls: list[tuple[str, str]], deltas: Iterable[Mapping[str, Any]]) -> None:
    for each in deltas:
        function = each["function"]
        if "id" in each:
            calls.append((function["name"], function["arguments"]))
        else:
            name, arguments = calls[each["index"]]
            calls[each["index"]] = name, arguments + function["arguments"]
