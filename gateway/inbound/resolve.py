"""Which agent a client means by the `model` of its request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from gateway.config.names import is_pattern
from gateway.inbound.globs import Glob
from gateway.inbound.http import HttpError
from gateway.types import Agent, Client, Model, by_entry

NAME_CHARS_MAX: Final = 512
"""A longer name matches no pattern and is like no other name. No vendor's ids are so long."""

_SHOWN_MAX: Final = 5


def no_discovery(name: str) -> str | None:
    """For a gateway whose names have no second form."""
    return None


class Names:
    """Every name of one configuration. What a client may not use does not exist for it.

    A name means, in this order: an agent, an exact alias, a model, a pattern. `discovered` gives
    the name that is meant by a form under which a list of models shows it; it is asked last.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent],
        models: Mapping[str, Model],
        discovered: Callable[[str], str | None] = no_discovery,
    ) -> None:
        exact, self._patterns = _aliases(agents)
        alone = {name: Agent(name, chain) for name, chain in by_entry(models).items()}
        self._exact: Final[tuple[Mapping[str, Agent], ...]] = (agents, exact, alone)
        self._meant: Final = {**alone, **exact, **agents}
        """What a name means for a client that may use everything."""
        self._discovered = discovered

    def resolve(self, name: str, client: Client) -> Agent:
        """The agent, or the one-model agent of a named model.

        Raises `HttpError` 404 with the nearest names.
        """
        agent = self._meant.get(name) if client.agents is None else None
        if agent is None:
            agent = self.find(name, client)
        if agent is None:
            raise self._unknown(name, client)
        return agent

    def find(self, name: str, client: Client) -> Agent | None:
        """As `resolve`; None for a name that means nothing."""
        agent = self._exactly(name, client) or self._by_pattern(name, client)
        return agent or self._by_discovery(name, client)

    def _exactly(self, name: str, client: Client) -> Agent | None:
        """What a name means that is configured as it is."""
        for names in self._exact:
            agent = names.get(name)
            if agent is not None and client.may_use(agent.name):
                return agent
        return None

    def visible(self, client: Client) -> dict[str, Agent]:
        """Every name that a list of models shows and what it means, agents first; no patterns."""
        names = dict.fromkeys(name for names in self._exact for name in names)
        meant = {name: self._exactly(name, client) for name in names}
        return {name: agent for name, agent in meant.items() if agent is not None}

    def _by_pattern(self, name: str, client: Client) -> Agent | None:
        if len(name) > NAME_CHARS_MAX:
            return None
        usable = (pair for pair in self._patterns if client.may_use(pair[1].name))
        return next((agent for glob, agent in usable if glob.matches(name)), None)

    def _by_discovery(self, name: str, client: Client) -> Agent | None:
        meant = self._discovered(name)
        return self._exactly(meant, client) if meant is not None else None

    def _unknown(self, name: str, client: Client) -> HttpError:
        known = list(self.visible(client))
        near = nearest(name, known) or known[:_SHOWN_MAX]
        hint = f" Did you mean {', '.join(repr(other) for other in near)}?" if near else ""
        stated = name if len(name) <= NAME_CHARS_MAX else f"{name[:NAME_CHARS_MAX]}…"
        kinds = "an agent, an alias or a model of this gateway"
        message = f"The model {stated!r} does not exist: it is not the name of {kinds}.{hint}"
        return HttpError(404, message, code="model_not_found", param="model")


def _aliases(agents: Mapping[str, Agent]) -> tuple[dict[str, Agent], list[tuple[Glob, Agent]]]:
    """(the exact ones, the patterns in the order in which they are tried)."""
    exact = {alias: agent for alias, agent in _pairs(agents) if not is_pattern(alias)}
    return exact, [(Glob(alias), agent) for alias, agent in _pairs(agents) if is_pattern(alias)]


def _pairs(agents: Mapping[str, Agent]) -> Iterator[tuple[str, Agent]]:
    for agent in agents.values():
        yield from ((alias, agent) for alias in agent.aliases)


def resolve(
    name: str,
    agents: Mapping[str, Agent],
    models: Mapping[str, Model],
    client: Client,
    discovered: Callable[[str], str | None] = no_discovery,
) -> Agent:
    """`Names.resolve` for a single name, such as that of a command. Raises `HttpError` 404."""
    return Names(agents, models, discovered).resolve(name, client)


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """The up to three known names that look most like `name`; none for a very long one."""
    if len(name) > NAME_CHARS_MAX:
        return []
    return get_close_matches(name, known, n=3, cutoff=0.5)
