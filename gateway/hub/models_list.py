"""One entry of the list of models that a client may use, before a client's API gives it a form."""

from __future__ import annotations

from typing import NamedTuple


class ModelItem(NamedTuple):
    """An agent, or a model that is not part of one."""

    id: str
    """What the client sends as `model`."""
    created: int
    """Unix time in seconds."""
    owned_by: str
    """The provider of the first model."""
    context_window: int | None = None
    """Tokens; the smallest window of the chain, so that what fits there fits every model."""
    max_output_tokens: int | None = None
    """The smallest output limit of the chain."""
    chain: tuple[str, ...] = ()
    """The names of the models, in order."""
