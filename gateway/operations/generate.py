"""Generate: a chat in, an answer out, streamed or not. Any model of the chain may answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialects import DIALECTS
from gateway.dialects import NATIVE as _NATIVE
from gateway.dialects.chat import is_empty
from gateway.hub.contracts import Native, Upstream
from gateway.types import Agent, Chat, Model

__all__ = ["FACES", "NAME", "NATIVE", "candidates", "facts", "is_empty", "may_omit"]

NAME: Final = "generate"
FACES: Final[Mapping[str, Upstream]] = DIALECTS
NATIVE: Final[Mapping[str, Native]] = _NATIVE


def candidates(agent: Agent, request: Chat) -> tuple[Model, ...]:
    """The whole chain."""
    return agent.models


def may_omit(path: str) -> bool:
    """Every optional field."""
    return True


def facts(model: Model, request: Chat) -> Mapping[str, str]:
    """Nothing beyond what every answer states."""
    return {}
