"""Which agent a client means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from gateway.inbound.http import HttpError
from gateway.types import Agent, Client, Model


def resolve(name: str, agents: Mapping[str, Agent], models: Mapping[str, Model], client: Client) -> Agent:
    """The agent of that name, or the one-model agent of a named model. Raises `HttpError` 404 with the nearest names.

    What a client may not use does not exist for it.
    """
    if client.may_use(name):
        agent = agents.get(name)
        if agent is not None:
            return agent
        model = models.get(name)
        if model is not None:
            return Agent(name, (model,))
    known = [other for other in (*agents, *models) if client.may_use(other)]
    near = nearest(name, known) or known[:5]
    hint = f" Did you mean {', '.join(repr(other) for other in near)}?" if near else ""
    message = f"The model {name!r} does not exist: it is neither an agent nor a model of this gateway.{hint}"
    raise HttpError(404, message, code="model_not_found", param="model")


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """The up to three known names that look most like `name`."""
    return get_close_matches(name, known, n=3, cutoff=0.5)
