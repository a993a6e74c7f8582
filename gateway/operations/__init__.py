"""Operations: what a client may ask for. Each says what it encodes, calls empty, and may fall back
to.

The words of a wire format belong in `dialects/`, the order in which models are tried in `chain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from gateway.hub.contracts import Native, Upstream
from gateway.operations import embed, generate
from gateway.types import Agent, Chat, Model

__all__ = ["OPERATIONS", "Operation"]


class Operation(Protocol):
    """One operation; modules implement it."""

    @property
    def NAME(self) -> str:  # noqa: N802 -- a constant in every module
        """As in `Call.operation`."""
        ...

    @property
    def FACES(self) -> Mapping[str, Upstream]:  # noqa: N802
        """By the dialect's name: encodes the hub's request, decodes the answer to the hub's
        form."""
        ...

    @property
    def NATIVE(self) -> Mapping[str, Native]:  # noqa: N802
        """The native lanes, by the dialect's name."""
        ...

    def candidates(self, agent: Agent, request: Chat) -> tuple[Model, ...]:
        """The models of the agent's chain that may answer `request`, in order."""
        ...

    def is_empty(self, answer: Chat) -> bool:
        """Whether a well-formed answer says nothing, so that the next model is asked."""
        ...

    def may_omit(self, path: str) -> bool:
        """Whether a field that a provider refuses by name may be left out of a second try."""
        ...

    def facts(self, model: Model, request: Chat) -> Mapping[str, str]:
        """Response headers that this operation adds, by name."""
        ...


OPERATIONS: Final[Mapping[str, Operation]] = {generate.NAME: generate, embed.NAME: embed}
