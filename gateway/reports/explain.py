"""The order in which an agent would try its models now, and why; and what each model would be
sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.config.load import Config
from gateway.credentials.store import Credentials
from gateway.dialects import choose
from gateway.failures import Failed, Kind
from gateway.operations import OPERATIONS, embed, generate
from gateway.reports.models import key_source
from gateway.reports.running import NotRunning
from gateway.reports.status import ModelState, ask_status
from gateway.types import Agent, Chat, Model

RUNNING: Final = "as the running gateway sees it"
OF_GATEWAY: Final = "the running gateway's own files or environment"
NOT_RUNNING: Final = "no gateway is running: all models count as ready"


@dataclass(frozen=True, slots=True)
class Step:
    """One model of the chain."""

    model: str
    provider: str
    id: str
    """The vendor's string."""
    url: str
    key: str
    """Where the key comes from; empty if there is a problem."""
    problem: str | None
    """Why the key cannot be used, by the running gateway if there is one."""
    context_window: int | None
    """In tokens; None if it is not stated."""
    state: str
    """As in `reports.status.ModelState`, as are the next three."""
    cooldown_left_s: float
    reason: str | None
    kind: str | None
    dialect: str | None = None
    """The provider's API, if a request was given, as for the fields below."""
    path: str | None = None
    dropped: list[str] | None = None
    """Fields of the request that the model does not support."""
    request: Any = None
    """The body that the model would be sent."""
    refused: str | None = None
    """Why the model would not be sent the request."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """An agent's chain."""

    agent: str
    note: str
    """Where the models' states come from."""
    chain: list[Step]
    sticky_s: float
    """How long a conversation stays with a fallback that served it; 0 where it never does."""

    @property
    def is_rate_limited(self) -> bool:
        """Whether every model of the chain is cooling down after a rate limit."""
        limited = ("open", Kind.RATE_LIMIT.value)
        return all((step.state, step.kind) == limited for step in self.chain)

    @property
    def lacks_keys(self) -> bool:
        """Whether a model of the chain has no key that can be used."""
        return any(step.problem for step in self.chain)


def explain(
    config: Config,
    agent: Agent,
    chat: Chat | None,
    credentials: Credentials,
    operation: str = generate.NAME,
) -> Explanation:
    """The chain with each model's state, key source and, for a request, its native form.

    `chat` is in the hub's form of the operation. Sends nothing upstream.
    """
    states, note = _states(config)
    candidates = agent.models if chat is None else OPERATIONS[operation].candidates(agent, chat)
    steps = []
    for model in agent.models:
        native = (
            {}
            if chat is None
            else _native(chat, model, operation, is_candidate=model in candidates)
        )
        steps.append(_step(model, native, credentials, states.get(model.name)))
    has_fallback = len(candidates) > 1 and operation == generate.NAME
    return Explanation(
        agent.name, note, steps, config.fallback.sticky_seconds if has_fallback else 0.0
    )


def _states(config: Config) -> tuple[Mapping[str, ModelState], str]:
    """(model → its state in the running gateway, where the states come from)."""
    try:
        found = ask_status(config)
    except NotRunning:
        return {}, NOT_RUNNING
    return {model.model: model for each in found.agents for model in each.chain}, RUNNING


def _step(
    model: Model,
    native: dict[str, Any],
    credentials: Credentials,
    state: ModelState | None,
) -> Step:
    source, problem = _key(model, credentials, state)
    return Step(
        model=model.name,
        provider=model.provider.name,
        id=model.model_id,
        url=model.base_url,
        key=source,
        problem=problem or None,
        context_window=model.context_window,
        state=state.state if state else "closed",
        cooldown_left_s=state.cooldown_left_s if state else 0.0,
        reason=state.reason if state else None,
        kind=state.kind if state else None,
        **native,
    )


def _key(model: Model, credentials: Credentials, state: ModelState | None) -> tuple[str, str]:
    """As `key_source`, for the running gateway, which may have other files and variables than this
    command."""
    source, problem = key_source(model, credentials)
    if state is None or state.has_key == (not problem):
        return source, problem
    if state.has_key:
        return OF_GATEWAY, ""
    return "", (
        f"the running gateway has no key for {model.name}, and this command has one: compare their "
        "users, homes and environments"
    )


def _native(chat: Chat, model: Model, operation: str, *, is_candidate: bool) -> dict[str, Any]:
    """The request (the first of several parts) that `model` would be sent, or why it would not
    be."""
    if not is_candidate:
        return {"refused": f"its vectors are of another space ({model.space})"}
    embeds = operation == embed.NAME
    dialect = model.provider.dialect if embeds else choose(chat, model)
    try:
        part = embed.parts(chat, model)[0] if embeds else chat
        encoded = OPERATIONS[operation].FACES[dialect].encode_request(part, model)
    except Failed as failed:
        return {"dialect": dialect, "refused": failed.failure.message}
    dropped = list(encoded.dropped)
    return {"dialect": dialect, "path": encoded.path, "dropped": dropped, "request": encoded.body}
