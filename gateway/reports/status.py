"""The state of a running gateway: its agents' models, and the calls under way.

`status` builds the report inside the gateway, for `GET /status` and the page. `ask_status` reads it
from a running gateway, for the commands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from gateway.config.load import Config
from gateway.failures import Failure
from gateway.limits.rows import Row
from gateway.redact import redact
from gateway.reports.running import NotRunning, address, ask
from gateway.shared.breaker import Breaker
from gateway.shared.circuits import Shown
from gateway.shared.redis.health import Group
from gateway.types import Agent, Attempt, Call, Client, Model

CALLS_MAX: Final = 100
"""Calls under way that are listed; `in_flight` counts all of them."""
ATTEMPTS_MAX: Final = 20
"""Attempts that are listed of one call, the latest ones."""
REASON_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model of a chain."""

    model: str
    provider: str
    id: str
    """The vendor's string."""
    state: Shown
    """`closed` (ready), `open` (cooling down) or `half_open` (the next call tests it)."""
    cooldown_left_s: float
    """Seconds until its cooldown ends; 0 if it is not cooling down."""
    reason: str | None
    """The failure that began the cooldown."""
    kind: str | None = None
    """The kind of that failure, such as `rate_limit`."""
    full: bool = False
    """Has as many calls of this process as `maxConcurrent` allows."""
    has_key: bool = True
    """Whether the gateway has a key for it, or it needs none."""


@dataclass(frozen=True, slots=True)
class AgentState:
    """One agent and its chain, first choice first."""

    agent: str
    chain: list[ModelState]


@dataclass(frozen=True, slots=True)
class AttemptState:
    """One attempt of a call under way."""

    model: str
    outcome: str | None
    """`ok` (content has arrived), the kind of the failure, or None while the model has not
    answered."""


@dataclass(frozen=True, slots=True)
class CallState:
    """One call under way."""

    id: str
    agent: str
    client: str
    model: str | None
    """The model that is being tried or that answers; None while the call waits."""
    attempts: list[AttemptState]
    """In order, the current one included; at most the last `ATTEMPTS_MAX`."""
    waiting: bool
    """Waits for a model of its chain to become available."""
    seconds: float
    """Since the call arrived."""
    stream: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The answer of `GET /status`."""

    status: str
    """`starting`, `serving` or `draining`."""
    version: str
    uptime_s: float
    in_flight: int
    """Calls under way."""
    waiting: int
    """Calls that wait for a model of their chain to become available."""
    agents: list[AgentState]
    calls: list[CallState] = field(default_factory=list)
    """The first `CALLS_MAX` calls under way, oldest first."""
    limits: list[Row] = field(default_factory=list)
    """Every budget and rate that concerns the client."""
    cluster: Group | None = None
    """The gateways that share; None without `[cluster]`."""


def status(
    facts: Mapping[str, Any],
    agents: Iterable[Agent],
    breaker: Breaker,
    calls: Iterable[Call],
    *,
    client: Client,
    now: float,
    limits: list[Row] | None = None,
    cluster: Group | None = None,
    has_key: Callable[[Model], bool] = lambda model: True,
) -> Status:
    """The report for `client`, which sees the agents that it may use.

    `facts` are the fields `status`, `version`, `uptime_s`, `in_flight` and `waiting`. `calls` are
    all calls under way, oldest first. A client that is limited to some agents sees only its own
    calls. `now` is the clock that stamped the calls. `has_key` says whether there is a key for a
    model.
    """
    under_way = list(calls)
    busy = _busy(under_way)
    is_limited = client.agents is not None
    seen = (call for call in under_way if not is_limited or call.client.name == client.name)
    return Status(
        **facts,
        agents=[
            agent_state(agent, breaker, busy, has_key)
            for agent in agents
            if client.may_use(agent.name)
        ],
        calls=[call_state(call, now) for call in islice(seen, CALLS_MAX)],
        limits=limits or [],
        cluster=None if is_limited else cluster,
    )


Busy = Mapping[tuple[str, ...], int]
"""A model's circuit id → how many calls it is answering."""


def _busy(calls: Iterable[Call]) -> Busy:
    last = (call.attempts[-1] for call in calls if call.attempts)
    return Counter(attempt.model.key for attempt in last if attempt.ended_at is None)


def agent_state(
    agent: Agent, breaker: Breaker, busy: Busy, has_key: Callable[[Model], bool]
) -> AgentState:
    """One agent's chain as the circuit breaker sees it."""
    chain = [_model_state(model, breaker, busy, has_key=has_key(model)) for model in agent.models]
    return AgentState(agent.name, chain)


def _model_state(model: Model, breaker: Breaker, busy: Busy, *, has_key: bool) -> ModelState:
    failure = breaker.reason(model)
    return ModelState(
        model=model.name,
        provider=model.provider.name,
        id=model.model_id,
        state=breaker.state(model),
        cooldown_left_s=round(breaker.cooldown_left_s(model), 1),
        reason=_reason(failure) if failure is not None else None,
        kind=failure.kind.value if failure is not None else None,
        full=model.max_concurrent is not None and busy.get(model.key, 0) >= model.max_concurrent,
        has_key=has_key,
    )


def _reason(failure: Failure) -> str:
    return f"{failure.brief()}: {redact(failure.message)[:REASON_CHARS_MAX]}"


def call_state(call: Call, now: float) -> CallState:
    """One call under way; `now` is the clock that stamped it."""
    last = call.attempts[-1] if call.attempts else None
    tried = last if last is not None and _is_under_way(last) else None
    return CallState(
        id=call.id,
        agent=call.agent.name,
        client=call.client.name,
        model=tried.model.name if tried is not None else None,
        attempts=[_attempt_state(attempt) for attempt in call.attempts[-ATTEMPTS_MAX:]],
        waiting=tried is None,
        seconds=round(max(0.0, now - call.received_at), 1),
        stream=call.stream,
    )


def _is_under_way(attempt: Attempt) -> bool:
    """Whether the call still waits for this model, or is being answered by it."""
    return attempt.committed_at is not None or attempt.ended_at is None


def _attempt_state(attempt: Attempt) -> AttemptState:
    outcome = "ok" if attempt.committed_at is not None else None
    if attempt.failure is not None:
        outcome = attempt.failure.kind.value
    return AttemptState(attempt.model.name, outcome)


def ask_status(config: Config | None) -> Status:
    """The report of the running gateway of this configuration. Raises `NotRunning`."""
    body = ask(config, "/status")
    try:
        return msgspec.convert(body, Status)
    except msgspec.ValidationError as error:
        where = f"the gateway at {address(config)}"
        raise NotRunning(f"{where} has another version than this command: {error}") from None
